"""Verification over all pairs against loops over pairs, scikit-learn and values worked by hand."""

import itertools
import math

import numpy as np
import pytest
from scipy.optimize import brentq
from sklearn.metrics import roc_auc_score, roc_curve
from support.embeddings import data, peak_memory

from evaluation.vectors import BLOCK, l2_normalize
from evaluation.verification import Pairs, all_pairs, thresholds, verification

BINS = np.array([0.0, 1.5, 2.5, 3.5, 5.0])


def pairs_by_loops(embeddings, labels):
    """Distances of the pairs of the same and of different classes, each sorted."""
    distances = [], []
    for a, b in itertools.combinations(range(len(labels)), 2):
        distances[0 if labels[a] == labels[b] else 1].append(math.dist(embeddings[a], embeddings[b]))
    return tuple(map(sorted, distances))


def of(same, different, dtype="float64"):
    return Pairs(np.sort(np.array(same, dtype)), np.sort(np.array(different, dtype)))


@pytest.fixture
def pairs():
    return all_pairs(*data(150))


@pytest.fixture
def tied():
    """Distances of few values, so that many are equal."""
    rng = np.random.default_rng(0)
    return of(rng.integers(0, 8, 300) / 4, rng.integers(2, 12, 500) / 4)


def curve(pairs):
    """Scikit-learn's ROC curve: FAR, TAR and the largest distance accepted at every point."""
    truth = np.repeat([1, 0], [len(pairs.same), len(pairs.different)])
    fars, tars, scores = roc_curve(truth, -np.concatenate([pairs.same, pairs.different]), drop_intermediate=False)
    return fars, tars, -scores


@pytest.mark.parametrize("block", [1, 7, 500])
def test_all_pairs_equal_a_loop_for_any_block(monkeypatch, block):
    monkeypatch.setattr("evaluation.verification.BLOCK", block)
    embeddings, labels = data(150)
    found, expected = all_pairs(embeddings, labels), pairs_by_loops(embeddings, labels)
    np.testing.assert_allclose(found.same, expected[0], rtol=1e-9)
    np.testing.assert_allclose(found.different, expected[1], rtol=1e-9)


def test_every_pair_counts_once_over_several_default_blocks():
    embeddings, labels = data(2 * BLOCK + 50)
    found, expected = all_pairs(embeddings, labels), pairs_by_loops(embeddings, labels)
    np.testing.assert_allclose(found.same, expected[0], rtol=1e-9)
    np.testing.assert_allclose(found.different, expected[1], rtol=1e-9)


@pytest.mark.parametrize("labels", [[0, 1, 2], [0, 0, 0], [0]])
def test_pairs_of_one_kind_only_are_refused(labels):
    with pytest.raises(ValueError, match="both are needed"):
        all_pairs(np.eye(3)[: len(labels)], np.array(labels))


def test_duplicates_and_opposite_unit_vectors_are_counted_in_float32():
    rows = l2_normalize(np.random.default_rng(0).normal(size=(100, 64)).astype("float32"))
    pairs = all_pairs(np.concatenate([rows, rows, -rows]), np.arange(300) % 150)
    assert len(pairs.same) == 150
    assert sum(map(len, (pairs.same, pairs.different))) == math.comb(300, 2)
    assert pairs.different.dtype == np.float32
    assert pairs.different[0] == pytest.approx(0, abs=1e-3)
    assert pairs.different[-1] == pytest.approx(2)


def test_rates_by_hand():
    pairs = of([1, 2, 3, 4], [2, 5, 6, 7, 8])
    assert pairs.rates(2) == (0, 1 / 4)  # Nearer than 2.
    assert pairs.rates(2.5) == (1 / 5, 2 / 4)
    assert pairs.rates(100) == (1, 1)


@pytest.mark.parametrize("kind", ["pairs", "tied"])
def test_roc_equals_scikit_learn_at_every_point(request, kind):
    pairs = request.getfixturevalue(kind)
    fars, tars, _ = curve(pairs)
    highest = dict(zip(fars, tars, strict=True))  # Where several points share a FAR.
    assert len(highest) > 5
    found = pairs.roc([far + 1e-12 for far in highest])
    np.testing.assert_allclose(found, list(highest.values()), rtol=1e-12)


@pytest.mark.parametrize("kind", ["pairs", "tied"])
def test_tar_at_far_is_the_best_that_scikit_learn_has_within_it(request, kind):
    pairs = request.getfixturevalue(kind)
    fars, tars, _ = curve(pairs)
    for far in (0, 0.003, 0.0237, 0.1, 0.5):
        assert pairs.roc([far])[0] == pytest.approx(tars[fars <= far].max())
        assert pairs.rates(pairs.threshold_at(far))[0] <= far


def test_auroc_equals_scikit_learn(pairs, tied):
    for case in (pairs, tied, of([1, 1], [1, 1, 1]), of([1], [2]), of([2], [1])):
        truth = np.repeat([1, 0], [len(case.same), len(case.different)])
        expected = roc_auc_score(truth, -np.concatenate([case.same, case.different]))
        assert case.auroc() == pytest.approx(expected, abs=1e-12)


def test_equal_error_rate_is_where_the_curve_of_scikit_learn_crosses(pairs, tied):
    for case in (pairs, tied):
        fars, tars, _ = curve(case)
        expected = brentq(lambda far, fars=fars, tars=tars: 1 - far - np.interp(far, fars, tars), 0, 1)
        assert 0.05 < expected < 0.5
        assert case.equal_error()[0] == pytest.approx(expected, abs=1e-6)


def test_threshold_of_the_equal_error_rate_gives_about_equal_errors(pairs):
    rate, threshold = pairs.equal_error()
    far, tar = pairs.rates(threshold)
    assert far == pytest.approx(rate, abs=0.01)
    assert 1 - tar == pytest.approx(rate, abs=0.01)


@pytest.mark.parametrize(
    ("same", "different", "expected"),
    [
        ([1, 2, 3], [4, 5, 6], 0),
        ([4, 5, 6], [1, 2, 3], 1),
        ([2, 3], [1, 5], 0.5),  # Between 2 and 3: no pair of two classes is there.
        ([1, 1, 1], [1, 1], 0.5),  # All embeddings equal: a straight line.
        ([1, 2, 3, 10], [0.5, 5, 6, 7], 0.25),  # Below 4 one of four is accepted wrongly, one of four refused.
    ],
)
def test_equal_error_rate_by_hand(same, different, expected):
    assert of(same, different).equal_error()[0] == pytest.approx(expected)


def test_d_prime_by_hand():
    # Means 2 and 6, variances 1 and 3.
    assert of([1, 3], [6 - math.sqrt(3), 6 + math.sqrt(3)]).d_prime() == pytest.approx(4 / math.sqrt(2))
    assert of([1, 1], [1, 1]).d_prime() == 0


def test_d_prime_of_more_pairs_than_fit_one_part():
    rng = np.random.default_rng(0)
    same, different = rng.normal(1, 0.2, 5000), rng.normal(5, 0.4, 2_500_000)
    expected = (different.mean() - same.mean()) / math.sqrt((same.var() + different.var()) / 2)
    assert of(same, different, "float32").d_prime() == pytest.approx(expected, rel=1e-5)


def test_histograms_count_as_numpy_does(pairs):
    for found, distances in zip(pairs.histograms(BINS), (pairs.same, pairs.different), strict=True):
        expected = np.histogram(distances.clip(max=BINS[-1]), BINS)[0]
        assert expected.min() > 0
        np.testing.assert_array_equal(found, expected)


def test_distances_beyond_the_last_edge_count_in_the_last_bin():
    same, different = of([0.2], [49.8, 50]).histograms(BINS)
    np.testing.assert_array_equal([same, different], [[1, 0, 0, 0], [0, 0, 0, 2]])


def test_verification_of_separated_classes():
    embeddings = np.array([[0.0, 0.0], [0.0, 0.1], [5.0, 0.0], [5.0, 0.1]])
    scores = verification(all_pairs(embeddings, np.array([0, 0, 1, 1])))
    assert scores.pop("d_prime") > 10
    assert scores == {"eer": 0, "tar_at_far_1e-2": 1, "tar_at_far_1e-3": 1, "pair_auroc": 1}


def test_verification_of_labels_by_chance_is_chance():
    rng = np.random.default_rng(0)
    scores = verification(all_pairs(rng.normal(size=(2000, 8)), rng.integers(0, 4, 2000)))
    expected = {"eer": 0.5, "tar_at_far_1e-2": 0.01, "tar_at_far_1e-3": 0.001, "pair_auroc": 0.5, "d_prime": 0}
    assert scores == pytest.approx(expected, abs=0.01)


def test_thresholds_come_from_validation_and_are_tried_on_test():
    validation, test = all_pairs(*data(300)), all_pairs(*data(400, seed=1))
    table = thresholds(validation, test)
    assert table.keys() == {"equal_error", "far_1e-2", "far_1e-3"}
    for aim, far in (("far_1e-2", 1e-2), ("far_1e-3", 1e-3)):
        distance = table[aim]["distance"]
        wrongly = sum(d < distance for d in validation.different) / len(validation.different)
        assert far - 2 / len(validation.different) <= wrongly <= far
        assert table[aim]["test_far"] == sum(d < distance for d in test.different) / len(test.different)
        assert table[aim]["test_tar"] == sum(d < distance for d in test.same) / len(test.same)
    assert table["equal_error"]["distance"] == validation.equal_error()[1]


@pytest.mark.parametrize("kept", [2_000, 20_000])
def test_of_too_many_pairs_those_kept_tell_the_rates_of_all(monkeypatch, kept):
    embeddings, labels = data(600)
    exact = all_pairs(embeddings, labels)
    monkeypatch.setattr("evaluation.verification.KEPT", kept)
    monkeypatch.setattr("evaluation.verification.BLOCK", 100)
    found = all_pairs(embeddings, labels)
    for kind, distances in (("same", exact.same), ("different", exact.different)):
        each = getattr(found, f"{kind}_pairs_each")
        assert each == math.ceil(len(distances) / kept)
        assert len(getattr(found, kind)) == pytest.approx(len(distances) / each, abs=6)
        assert getattr(found, kind).mean() == pytest.approx(distances.mean(), rel=0.0004)  # The middle one of so many.
    most = sum(6 * getattr(found, f"{kind}_pairs_each") / len(getattr(exact, kind)) for kind in ("same", "different"))
    for threshold in (0.5, 1, 2, 3, 5):
        assert found.rates(threshold) == pytest.approx(exact.rates(threshold), abs=most)
    expected = verification(exact)
    assert verification(found) == pytest.approx(expected, abs=0.02 if kept == 2_000 else 0.003)
    for counts, all_counts in zip(found.histograms(BINS), exact.histograms(BINS), strict=True):
        np.testing.assert_allclose(counts, all_counts, atol=most * all_counts.sum())


@pytest.mark.parametrize("kind", ["uint8", "int64", "float32"])
def test_whole_numbers_are_as_far_apart_as_the_same_numbers_with_a_point(kind):
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    pixels = rng.integers(0, 200, (60, 8)) // (1 + labels[:, None])
    found, exact = (all_pairs(pixels.astype(dtype), labels) for dtype in (kind, "float64"))
    distances = [math.dist(pixels[i], pixels[j]) for i in range(60) for j in range(i) if labels[i] == labels[j]]
    np.testing.assert_allclose(exact.same, sorted(distances), rtol=1e-9)
    for part in ("same", "different"):
        np.testing.assert_allclose(getattr(found, part), getattr(exact, part), rtol=1e-4)
    assert verification(found) == pytest.approx(verification(exact), abs=1e-3)


def test_few_pairs_of_the_same_class_are_all_kept(monkeypatch):
    embeddings, labels = data(300, classes=100)
    exact = all_pairs(embeddings, labels)
    monkeypatch.setattr("evaluation.verification.KEPT", len(exact.same))
    found = all_pairs(embeddings, labels)
    np.testing.assert_array_equal(found.same, exact.same)
    assert len(found.different) < len(exact.different)


@pytest.mark.slow
def test_of_more_pairs_the_memory_stays_as_low():
    work = (
        "import numpy as np; from evaluation.verification import all_pairs, verification; "
        "rng = np.random.default_rng(0); labels = rng.integers(0, 5000, 20_000); "
        "verification(all_pairs(rng.normal(size=(20_000, 64)).astype('float32'), labels))"
    )
    assert peak_memory(work) < 0.9e9  # All 200 million distances are 0.8 GB alone.


@pytest.mark.slow
def test_fifty_million_pairs_stay_below_one_gigabyte():
    work = (
        "import numpy as np; from evaluation.verification import all_pairs, verification; "
        "bins = np.linspace(0, 2, 101); rng = np.random.default_rng(0); labels = rng.integers(0, 10, 10_000); "
        "pairs = all_pairs(rng.normal(size=(10_000, 64)).astype('float32'), labels); "
        "verification(pairs); pairs.histograms(bins); pairs.roc(bins / 2)"
    )
    assert peak_memory(work) < 1e9
