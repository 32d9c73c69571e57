"""What a run is judged by: scores against loops and scikit-learn, from nothing but what the protocol allows."""

import dataclasses
import itertools
import json
import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.neighbors import NearestCentroid
from sklearn.preprocessing import normalize
from support.embeddings import data, retrieval_by_loops, vote

from data import Dataset, Split
from evaluation.classification import few_shot_accuracies
from evaluation.query_gallery import query_gallery
from lab.protocols import DISTANCE_BINS, PROTOCOLS, ROC_FARS

CLOSED, OPEN, UNSEEN = PROTOCOLS.values()
PARTS = {"train": slice(0, 300), "validation": slice(300, 400), "test": slice(400, 600)}


def split(labels):
    return Split(np.zeros((len(labels), 1, 1, 1), "uint8"), labels.astype("int32"))


@pytest.fixture
def closed():
    """Data set, embeddings and logits of four classes, the embeddings of all lengths."""
    embeddings, labels = data(600, classes=4)
    logits = np.random.default_rng(2).normal(size=(600, 4)) + 2 * np.eye(4)[labels]
    dataset = Dataset("numbers", *(split(labels[part]) for part in PARTS.values()), tuple("abcd"))
    return dataset, *({name: array[part] for name, part in PARTS.items()} for array in (embeddings, logits))


@pytest.fixture
def opened(closed):
    """The same with three more classes that were not trained on, and whose logits are lower."""
    dataset, embeddings, logits = closed
    points, labels = data(90, classes=3, seed=5)
    parted = dataclasses.replace(dataset, unseen=split(labels), unseen_names=tuple("xyz"))
    unsure = np.random.default_rng(6).normal(size=(90, 4)) + 0.5
    return parted, embeddings | {"unseen": points}, logits | {"unseen": unsure}


@pytest.fixture(params=["closed", "open"])
def case(request):
    """Each protocol, with what it judges."""
    return PROTOCOLS[request.param], *request.getfixturevalue("closed" if request.param == "closed" else "opened")


def classes_of(dataset, embeddings):
    """A nearest-centroid classifier of the normalised training embeddings, and the normalised test embeddings."""
    centroids = NearestCentroid().fit(normalize(embeddings["train"]), dataset.train.labels)
    return centroids, normalize(embeddings["test"])


def test_closed_scores_are_those_of_normalised_embeddings(closed):
    dataset, embeddings, logits = closed
    labels = dataset.test.labels
    found = CLOSED.judge(*closed).scores
    centroids, test = classes_of(dataset, embeddings)
    apart = [math.dist(a, b) for a, b in itertools.combinations(centroids.centroids_, 2)]
    away = [euclidean_distances([x], [centroids.centroids_[y]])[0, 0] for x, y in zip(test, labels, strict=True)]
    best = [list(row).index(max(row)) for row in logits["test"]]
    pairs = list(itertools.combinations(range(200), 2))
    expected = {
        "head_accuracy": sum(a == b for a, b in zip(best, labels, strict=True)) / 200,
        "center_accuracy": centroids.score(test, labels),
        **retrieval_by_loops(test, labels),
        "intra_distance": sum(away) / len(away),
        "inter_distance": sum(apart) / len(apart),
        "distance_ratio": (sum(away) / len(away)) / (sum(apart) / len(apart)),
        "pair_auroc": roc_auc_score(
            [labels[a] == labels[b] for a, b in pairs], [-math.dist(test[a], test[b]) for a, b in pairs]
        ),
        "norm_mean": np.mean([math.hypot(*row) for row in embeddings["test"]]),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-6)
    votes = vote(test, labels, normalize(embeddings["train"]), dataset.train.labels)
    sure = sum(a == b for a, b in zip(votes, labels, strict=True)) / 200
    assert sure <= found["knn_accuracy"] <= sure + votes.count(None) / 200


def test_open_scores_are_of_classes_never_seen(opened):
    dataset, embeddings, logits = opened
    found = OPEN.judge(*opened).scores
    labels = dataset.unseen.labels
    unseen = normalize(embeddings["unseen"])
    best = [list(row).index(max(row)) for row in logits["test"]]
    tops = {part: [max(row) for row in logits[part]] for part in ("test", "unseen", "validation")}
    above = [[k > u for u in tops["unseen"]] for k in tops["test"]]
    right = [a == b for a, b in zip(best, dataset.test.labels, strict=True)]
    threshold = sorted(tops["validation"])[4]  # 96 of 100 pass.
    expected = {
        "known_head_accuracy": sum(right) / 200,
        "known_center_accuracy": NearestCentroid()
        .fit(normalize(embeddings["train"]), dataset.train.labels)
        .score(normalize(embeddings["test"]), dataset.test.labels),
        **{f"unseen_{name}": value for name, value in retrieval_by_loops(unseen, labels).items()},
        "open_auroc": np.mean(above),
        "open_oscr": np.mean([[hit and r for hit in row] for row, r in zip(above, right, strict=True)]),
        "open_fpr_at_95_tpr": sum(top >= threshold for top in tops["unseen"]) / 90,
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-6)
    assert found["unseen_1_shot"] < found["unseen_5_shot"] < found["unseen_10_shot"]


def test_a_loss_without_a_classifier_is_known_by_its_distance_to_the_class_means(opened):
    dataset, embeddings, _ = opened
    judgement = OPEN.judge(dataset, embeddings, None)
    centroids, test = classes_of(dataset, embeddings)
    nearest = [
        euclidean_distances(x, centroids.centroids_).min(axis=1) for x in (test, normalize(embeddings["unseen"]))
    ]
    truth = np.repeat([1, 0], [200, 90])
    assert judgement.scores["open_auroc"] == pytest.approx(roc_auc_score(truth, -np.concatenate(nearest)))
    assert judgement.scores["known_head_accuracy"] is None
    assert judgement.details["open_set"].keys() == {"rule", "center_distance"}


def test_a_loss_with_a_classifier_is_judged_by_its_largest_logit_and_both_rules_are_kept(opened):
    judgement = OPEN.judge(*opened)
    kept = judgement.details["open_set"]
    assert kept["rule"] == "max_logit"
    assert kept["max_logit"]["auroc"] == judgement.scores["open_auroc"]
    without = OPEN.judge(*opened[:2], None).details["open_set"]["center_distance"]
    assert kept["center_distance"] == without


def test_every_score_of_the_protocol_is_there_as_a_plain_number_that_json_keeps(case):
    protocol, dataset, *arrays = case
    single = [{part: array.astype("float32") for part, array in parts.items()} for parts in arrays]
    judgement = protocol.judge(dataset, *single)
    assert judgement.scores.keys() == protocol.scores.keys()
    assert {type(value) for value in judgement.scores.values()} == {float}
    kept = judgement.scores, judgement.details
    assert json.loads(json.dumps(kept, allow_nan=False)) == list(kept)


def test_without_a_classifier_only_its_own_score_is_missing(case):
    protocol, dataset, embeddings, _ = case
    scores = protocol.judge(dataset, embeddings, None).scores
    assert [name for name, value in scores.items() if value is None] == [protocol.head]
    assert protocol.head == {"closed": "head_accuracy", "open": "known_head_accuracy"}[protocol.name]


def test_the_length_of_embeddings_changes_nothing_but_their_norms(case):
    protocol, dataset, embeddings, logits = case
    rng = np.random.default_rng(3)
    scaled = {part: array * rng.uniform(0.1, 10, size=(len(array), 1)) for part, array in embeddings.items()}
    found, expected = (protocol.judge(dataset, e, logits).scores for e in (scaled, embeddings))
    for name in expected:
        if not name.startswith("norm_"):
            assert found[name] == pytest.approx(expected[name], abs=1e-9), name


def test_thresholds_come_from_the_validation_images(closed):
    dataset, embeddings, logits = closed
    points, labels = normalize(embeddings["validation"]), dataset.validation.labels
    different = sorted(
        math.dist(points[a], points[b]) for a, b in itertools.combinations(range(100), 2) if labels[a] != labels[b]
    )
    table = CLOSED.judge(*closed).details["thresholds"]
    assert table["far_1e-2"]["distance"] == pytest.approx(different[len(different) // 100])
    changed = embeddings | {"test": np.random.default_rng(0).normal(size=(200, 5))}
    again = CLOSED.judge(dataset, changed, logits).details["thresholds"]
    assert again["far_1e-2"]["distance"] == table["far_1e-2"]["distance"]
    assert again["far_1e-2"]["test_far"] != table["far_1e-2"]["test_far"]


def test_the_distance_from_which_an_image_is_unknown_comes_from_the_validation_images(case):
    protocol, dataset, embeddings, _ = case
    points = {part: normalize(found) for part, found in embeddings.items()}
    means = NearestCentroid().fit(points["train"], dataset.train.labels).centroids_
    others = sorted(
        min(math.dist(point, mean) for number, mean in enumerate(means) if number != label)
        for point, label in zip(points["validation"], dataset.validation.labels, strict=True)
    )
    rates = protocol.judge(dataset, embeddings, None).details["recognition"]
    assert rates["distance"] == pytest.approx(others[1])  # One of 100 is nearer.
    for part, name in (("test", "test_accepted"), ("unseen", "unknown_accepted")):
        if part in points:
            nearest = euclidean_distances(points[part], means).min(axis=1)
            assert rates[name] == (nearest < others[1]).mean()
    assert ("unknown_accepted" in rates) == (protocol is OPEN)


def test_arrays_hold_what_the_pictures_are_drawn_from(case):
    protocol, dataset, embeddings, logits = case
    arrays = protocol.judge(dataset, embeddings, logits).arrays
    judged = len(dataset.parts[dataset.judged_part])
    np.testing.assert_array_equal(arrays["test_embeddings"], embeddings["test"])
    np.testing.assert_array_equal(arrays["test_labels"], dataset.test.labels)
    np.testing.assert_array_equal(arrays["test_predictions"], logits["test"].argmax(axis=1))
    assert arrays["class_means"].shape == (4, 5)
    assert arrays["same_pairs"].sum() + arrays["different_pairs"].sum() == math.comb(judged, 2)
    assert len(arrays["same_pairs"]) == len(DISTANCE_BINS) - 1
    assert len(arrays["roc_tars"]) == len(ROC_FARS)
    assert (np.diff(arrays["roc_tars"]) >= 0).all()
    assert arrays["roc_tars"][-1] == 1


def test_images_of_classes_never_seen_are_kept_as_those_of_unknown_ones(opened):
    dataset, embeddings, _ = opened
    judgement = OPEN.judge(*opened)
    np.testing.assert_array_equal(judgement.arrays["unknown_embeddings"], embeddings["unseen"])
    np.testing.assert_array_equal(judgement.arrays["unknown_labels"], dataset.unseen.labels)
    assert judgement.details["held_out"] == ["x", "y", "z"]


def test_an_error_is_by_how_much_the_wrong_class_beats_the_right_one(case):
    protocol, dataset, embeddings, logits = case
    centroids, test = classes_of(dataset, embeddings)
    for given, values in ((logits, logits["test"]), (None, -(euclidean_distances(test, centroids.centroids_) ** 2))):
        arrays = protocol.judge(dataset, embeddings, given).arrays
        expected = [max(row) - row[label] for row, label in zip(values, dataset.test.labels, strict=True)]
        np.testing.assert_allclose(arrays["test_errors"], expected, atol=1e-9)
        wrong = arrays["test_predictions"] != dataset.test.labels
        np.testing.assert_array_equal(arrays["test_errors"] > 0, wrong)
        assert 0 < wrong.sum() < len(wrong)


@pytest.mark.parametrize("name", ["open", "unseen"])
def test_few_examples_are_of_the_classes_that_have_an_image_more_and_say_of_how_many(opened, name):
    dataset, embeddings, logits = opened
    labels = np.repeat(np.arange(4), [1, 10, 11, 30])
    points = embeddings | {"unseen": data(52, classes=4, seed=5)[0]}
    judgement = PROTOCOLS[name].judge(dataclasses.replace(dataset, unseen=split(labels)), points, logits)
    shots = judgement.details["shots"]
    assert {n: shots[n]["classes"] for n in shots} == {"1": 3, "5": 3, "10": 2}
    expected = few_shot_accuracies(normalize(points["unseen"][11:]), labels[11:] - 2, 10, 100, seed=0).mean()
    assert judgement.scores["unseen_10_shot"] == pytest.approx(expected, abs=1e-12)
    few = dataclasses.replace(dataset, unseen=split(np.repeat(np.arange(3), [5, 5, 6])))
    scores = PROTOCOLS[name].judge(few, embeddings | {"unseen": embeddings["unseen"][:16]}, logits).scores
    assert scores["unseen_1_shot"] is not None
    assert (scores["unseen_5_shot"], scores["unseen_10_shot"]) == (None, None)
    assert "5-shot" not in PROTOCOLS[name].line(scores)


def test_the_data_sets_own_unseen_classes_are_judged_alone(opened):
    dataset, embeddings, logits = opened
    own = dataclasses.replace(dataset, test=dataset.test[:0])
    judgement = UNSEEN.judge(own, embeddings, logits)
    expected = OPEN.judge(*opened)
    shared = UNSEEN.scores.keys() & OPEN.scores.keys()
    assert len(shared) == 11
    assert {name: judgement.scores[name] for name in shared} == {name: expected.scores[name] for name in shared}
    assert judgement.scores.keys() == UNSEEN.scores.keys()
    assert judgement.scores["unseen_mean_average_precision"] is None
    recognition = judgement.details.pop("recognition")  # Without what there is of test images of known classes.
    known = {"test_accepted", "test_right", "test_far"}
    assert recognition == {n: rate for n, rate in expected.details["recognition"].items() if n not in known}
    assert judgement.details == {name: expected.details[name] for name in judgement.details}
    assert judgement.arrays.keys() == expected.arrays.keys()
    assert {len(judgement.arrays[f"test_{name}"]) for name in ("embeddings", "labels", "predictions", "errors")} == {0}


def test_where_there_are_queries_they_ask_the_gallery(opened):
    dataset, embeddings, logits = opened
    queries, cameras = np.arange(90) % 5 == 0, np.arange(90) % 3
    own = dataclasses.replace(dataset, test=dataset.test[:0], queries=queries, cameras=cameras)
    expected = query_gallery(normalize(embeddings["unseen"]), own.unseen.labels, queries, cameras)
    scores = UNSEEN.judge(own, embeddings, logits).scores
    assert {f"unseen_{name}": value for name, value in expected.items()}.items() <= scores.items()
    assert scores["unseen_eer"] == OPEN.judge(*opened).scores["unseen_eer"]


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=list(PROTOCOLS))
def test_whatever_a_protocol_names_is_one_of_its_scores(protocol):
    named = {*protocol.short, *protocol.headlines, *protocol.highlights, *protocol.optional, *protocol.roles.values()}
    assert named <= protocol.scores.keys()
    assert sum(len(table) for table in protocol.tables.values()) == len(protocol.scores)


def test_all_protocols_have_the_same_roles_the_open_one_of_classes_never_seen():
    assert CLOSED.roles.keys() == OPEN.roles.keys() == UNSEEN.roles.keys()
    assert OPEN.roles["nearest_mean"] == "known_center_accuracy"
    assert {OPEN.roles[role] for role in OPEN.roles if role != "nearest_mean"} == {
        f"unseen_{CLOSED.roles[role]}" for role in CLOSED.roles if role != "nearest_mean"
    }


def test_a_protocol_puts_values_into_words():
    values = {"knn_accuracy": 0.98765, "center_accuracy": 0.5, "map_at_r": 0.71234, "eer": 0.0125}
    assert CLOSED.line(values) == "5-NN 98.77% · nearest mean 50.00% · MAP@R 0.712"
    assert CLOSED.text(values, "map_at_r") == "MAP@R 0.7123"
    assert CLOSED.text(values, "eer") == "EER 1.25 %"
    values = {"unseen_map_at_r": 0.5, "unseen_5_shot": 0.75, "open_auroc": 0.9}
    assert OPEN.line(values) == "MAP@R 0.500 · 5-shot 75.00% · AUROC 0.900"
    assert OPEN.text(values, "map_at_r") == "unseen: MAP@R 0.5000"
    assert (CLOSED.units, OPEN.units) == ("seeds", "splits")
