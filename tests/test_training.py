"""Training: the same start for every loss, the best epoch kept, what goes wrong named."""

import dataclasses

import keras
import numpy as np
import pytest

import training
from data import load_dataset, part_of
from health import SETTLING_STEPS
from models import embed
from training import Failure, Settings, build, choose_precision, train

any_network = pytest.mark.usefixtures("small_network")


@pytest.fixture(scope="module")
def digits():
    return part_of(load_dataset("digits"), 500, 100)


class Recorder:
    """Stands for the terminal: remembers what it was told."""

    def __init__(self):
        self.done, self.epochs = 0, []

    def batches(self, count):
        self.done += count

    def epoch(self, number, logs):
        self.epochs.append((number, dict(logs)))


def settings(loss="softmax", **changes):
    return Settings(dataset="digits", loss=loss, seed=0, epochs=2, embedding_dim=8, **changes)


def test_every_loss_starts_from_the_same_network_and_head(digits):
    starts = {}
    for loss in ("softmax", "center", "triplet", "triplet_center"):
        keras.utils.set_random_seed(3)
        model = build(settings(loss), digits)
        starts[loss] = [*model.embedder.get_weights(), *model.classifier.get_weights()]
    for loss, weights in starts.items():
        for first, other in zip(starts["softmax"], weights, strict=True):
            np.testing.assert_array_equal(first, other, err_msg=loss)


@any_network
def test_the_same_seed_trains_the_same_embeddings_and_another_seed_others(digits, tmp_path):
    runs = []
    for number, seed in enumerate((0, 0, 1)):
        path = tmp_path / str(number)
        path.mkdir()
        model, _ = train(dataclasses.replace(settings("triplet_center"), seed=seed), digits, path, Recorder())
        runs.append(embed(model, digits.test.images))
    np.testing.assert_array_equal(runs[0], runs[1])
    assert np.abs(runs[0] - runs[2]).max() > 0.01


@any_network
def test_history_has_every_term_score_and_the_learning_rate_for_each_epoch(digits, tmp_path):
    recorder = Recorder()
    train(settings("center"), digits, tmp_path, recorder)
    header, *rows = (tmp_path / "history.csv").read_text().splitlines()
    for column in ("softmax", "center", "head_accuracy", "learning_rate"):
        assert column in header.split(",")
    for column in ("val_loss", "val_softmax", "val_center", "val_map_at_r", "val_center_accuracy", "val_spread"):
        assert column in header.split(",")
    assert len(rows) == 2
    assert recorder.done == 2 * (500 // 240)
    assert [number for number, _ in recorder.epochs] == [1, 2]


@any_network
def test_the_learning_rate_warms_up_and_falls_to_0(digits, tmp_path):
    recorder = Recorder()
    train(dataclasses.replace(settings(), epochs=10), digits, tmp_path, recorder)
    rates = [logs["learning_rate"] for _, logs in recorder.epochs]
    assert rates == sorted(rates, reverse=True)
    assert 0.003 < rates[0] <= 0.004
    assert rates[-1] < 0.0002


@any_network
def test_the_best_epoch_on_validation_is_kept(digits, tmp_path):
    recorder = Recorder()
    run = dataclasses.replace(settings(learning_rate=0.05), epochs=6)
    model, facts = train(run, digits, tmp_path, recorder)
    scores = [logs["val_map_at_r"] for _, logs in recorder.epochs]
    assert facts["best_epoch"] == int(np.argmax(scores)) + 1
    assert facts["validation_map_at_r"] == pytest.approx(max(scores))
    from evaluation.retrieval import retrieval
    from evaluation.vectors import l2_normalize

    kept = retrieval(l2_normalize(embed(model, digits.validation.images)), digits.validation.labels)
    assert kept["map_at_r"] == pytest.approx(max(scores), abs=1e-6)


@any_network
def test_a_diverging_run_is_stopped_and_named_with_remedies(digits, tmp_path):
    with pytest.raises(Failure, match=r"diverged.*epoch 1.*--learning-rate"):
        train(settings(learning_rate=1e30), digits, tmp_path, Recorder())


def test_a_run_collapsed_to_one_direction_is_named_with_remedies(digits, tmp_path):
    overrides = {"softmax_weight": 0.0, "mining": "batch_hard", "distance": "euclidean"}
    run = settings("triplet", overrides=overrides, learning_rate=0.1)
    with pytest.raises(Failure, match=r"collapsed: all embeddings point the same way.*triplet\.softmax_weight=1"):
        train(dataclasses.replace(run, epochs=30), digits, tmp_path, Recorder())


def test_the_remedies_for_a_collapse_name_no_softmax_where_the_loss_has_none(digits, tmp_path):
    run = settings("triplet_only", overrides={"mining": "batch_hard", "distance": "euclidean"}, learning_rate=0.1)
    with pytest.raises(Failure, match="collapsed") as failure:
        train(dataclasses.replace(run, epochs=30), digits, tmp_path, Recorder())
    assert "softmax" not in str(failure.value)


def test_a_run_collapsed_to_one_point_is_named_with_remedies(digits, tmp_path):
    """Center loss alone is minimised by one point for all images."""
    run = settings("center", overrides={"softmax_weight": 0.0}, learning_rate=0.02)
    with pytest.raises(Failure, match=r"collapsed: all embeddings are nearly equal.*center\.softmax_weight=1"):
        train(dataclasses.replace(run, epochs=60), digits, tmp_path, Recorder())


@any_network
def test_a_loss_that_stays_at_its_margin_is_named(digits, tmp_path):
    """Distances far below the margin: the loss is the margin, and the learning rate too small to change that."""
    run = settings("triplet", overrides={"softmax_weight": 0.0, "margin": 1e6, "normalize": False})
    with pytest.raises(Failure, match=r"triplet stays at 1e\+06"):
        train(dataclasses.replace(run, learning_rate=1e-12, epochs=27), digits, tmp_path, Recorder())


@any_network
def test_a_healthy_run_is_no_failure(digits, tmp_path):
    run = dataclasses.replace(settings("triplet"), epochs=30)
    train(run, digits, tmp_path, Recorder())
    assert run.epochs * (500 // 240) > SETTLING_STEPS  # Else nothing would have been judged.


@pytest.mark.parametrize(
    ("flags", "policy", "told"),
    [
        ("sse2 amx_bf16 avx512_bf16", "mixed_bfloat16", "AMX"),
        ("sse2 avx512_bf16", "mixed_bfloat16", "AVX512-BF16"),
        ("sse2 avx2", "float32", "no fast bfloat16"),
        ("", "float32", "no fast bfloat16"),
    ],
)
def test_precision_auto_follows_the_processor_and_says_why(flags, policy, told, monkeypatch):
    monkeypatch.setattr(training, "cpu_info", lambda: {"flags": flags})
    monkeypatch.setattr(training.tf.config, "list_physical_devices", lambda _: [])
    chosen, reason = choose_precision("auto")
    assert chosen == policy
    assert told in reason


@any_network
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_the_policy_asked_for_is_the_one_the_network_computes_in(policy, digits, tmp_path):
    model, _ = train(settings(precision=policy), digits, tmp_path, Recorder())
    convolution = next(layer for layer in model.embedder.layers if isinstance(layer, keras.layers.Conv2D))
    assert convolution.compute_dtype == policy.removeprefix("mixed_")
    assert model.embedder.layers[-1].compute_dtype == "float32"
