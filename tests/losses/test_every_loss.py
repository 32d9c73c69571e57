"""What every loss promises, for every entry of the registry and for every variant of its losses."""

import inspect
import json
import random
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy as to_numpy
from keras.ops import convert_to_tensor as to_tensor
from support.gradients import finite_differences, traced, training_step, value_and_gradient

import losses
from losses import LOSSES
from models import MetricModel

CLASSES, DIM = 4, 3
STATE = (CLASSES, DIM)
VARIANTS = {
    "softmax_smoothed": (losses.Softmax, *STATE, 0.2),
    "softmax": (losses.Softmax, *STATE),
    "center": (losses.CenterLoss, *STATE),
    "triplet_center": (losses.TripletCenterLoss, *STATE, 3.0),
    "semi_hard": (losses.TripletLoss, 1.0),
    "semi_hard_soft": (losses.TripletLoss, 0.2, "semi_hard", "squared", True, True),
    "batch_hard": (losses.TripletLoss, 1.0, "batch_hard"),
    "batch_hard_soft": (losses.TripletLoss, 1.0, "batch_hard", "euclidean", False, True),
    "batch_all": (losses.TripletLoss, 1.0, "batch_all"),
    "batch_all_euclidean": (losses.TripletLoss, 1.0, "batch_all", "euclidean"),
    "normalized_softmax": (losses.NormalizedSoftmax, *STATE, 5.0),
    "cosface": (losses.CosFace, *STATE, 5.0),
    "arcface_reflect": (losses.ArcFace, *STATE, 5.0, 1.0),
    "arcface_threshold": (losses.ArcFace, *STATE, 5.0, 1.0, "threshold"),
    "arcface_none": (losses.ArcFace, *STATE, 5.0, 1.0, "none"),
    "arcface_detached": (losses.ArcFace, *STATE, 5.0, 1.0, "reflect", "detached"),
    "sub_center_arcface": (losses.SubCenterArcFace, *STATE, 3, 5.0),
    "adacos": (losses.AdaCos, *STATE),
    "adacos_fixed": (losses.AdaCos, *STATE, False),
    "a_softmax": (losses.ASoftmax, *STATE, 4, (0.0, 0.0, 0.0, 0.0)),
    "a_softmax_annealed": (losses.ASoftmax, *STATE, 3, (10.0, 0.1, 1.0, 1.0)),
    "sphereface_r_v1": (losses.SphereFaceR, *STATE, 5.0, 1.7, "v1", "exact"),
    "sphereface_r_v2": (losses.SphereFaceR, *STATE, 5.0, 1.7, "v2", "exact"),
    "sphereface_r_v1_detached": (losses.SphereFaceR, *STATE, 5.0),
    "sphereface_r_v2_detached": (losses.SphereFaceR, *STATE, 5.0, 1.5, "v2"),
    "large_margin_softmax": (losses.LargeMarginSoftmax, *STATE),
    "l2_softmax": (losses.L2Softmax, *STATE, 5.0, 0.1),
    "ring": (losses.RingLoss, 1.5),
    "contrastive_center": (losses.ContrastiveCenterLoss, *STATE),
    "proxy_nca": (losses.ProxyNCALoss, *STATE),
    "proxy_nca_paper": (losses.ProxyNCALoss, *STATE, 3.0, False),
    "proxy_anchor": (losses.ProxyAnchorLoss, *STATE, 0.1, 5.0),
    "contrastive": (losses.ContrastiveLoss,),
    "contrastive_balanced": (losses.ContrastiveLoss, 3.0, False, True),
    "intra_enhanced_triplet": (losses.IntraEnhancedTripletLoss,),
    "supervised_contrastive": (losses.SupervisedContrastiveLoss,),
    "n_pair": (losses.NPairLoss,),
    "lifted_structure": (losses.LiftedStructureLoss,),
    "multi_similarity": (losses.MultiSimilarityLoss,),
    "circle": (losses.CircleLoss, 0.25, 5.0),
    "exponential_triplet_mined": (
        *(losses.ExponentialTripletLoss, CLASSES, 1.2, "unit_range", 1.0, 1e-6, 1.0, 1.0, False),
        *(2, 4),
    ),
    "exponential_triplet": (losses.ExponentialTripletLoss, CLASSES),
    "exponential_triplet_l2": (losses.ExponentialTripletLoss, CLASSES, 0.8, "l2", 2.0),
    "exponential_triplet_bounce": (losses.ExponentialTripletLoss, CLASSES, 0.8, "unit_bounce", 1.5),
    "exponential_triplet_detached": (losses.ExponentialTripletLoss, CLASSES, 1.2, "unit_range", 1.0, 1e-6, 1, 1, True),
    "exponential_center": (losses.ExponentialCenterLoss, *STATE),
    "exponential_center_code": (losses.ExponentialCenterLoss, *STATE, 0.8, "unit_range", 1.0, 0.5, "code"),
}
# By intent their gradient is not that of their value; their own files test what it is.
DETACHED = (
    "arcface_detached",
    "sphereface_r_v1_detached",
    "sphereface_r_v2_detached",
    "circle",
    "exponential_triplet_detached",
)


def make(variant, **options):
    loss, *arguments = VARIANTS[variant]
    return loss(*arguments, **options)


def test_every_loss_of_the_package_and_of_the_registry_is_among_the_variants():
    exported = {loss for loss in vars(losses).values() if inspect.isclass(loss) and issubclass(loss, keras.Layer)}
    registered = {loss for recipe in LOSSES.values() for _, loss in recipe.terms.values()}
    assert {loss for loss, *_ in VARIANTS.values()} == exported | registered
    assert {loss.__name__ for loss in exported} == set(losses.__all__) - {"LOSSES", "Recipe"}


HOLDING_STATE = [variant for variant in VARIANTS if make(variant).weights]
every_variant = pytest.mark.parametrize("variant", VARIANTS)
every_name = pytest.mark.parametrize("name", LOSSES)
with_xla = pytest.mark.skipif(keras.backend.backend() == "torch", reason="XLA compiles TensorFlow and JAX only")


def batch(seed=0, size=12):
    rng = np.random.default_rng(seed)
    return rng.integers(0, CLASSES, size), rng.normal(size=(size, DIM))


@pytest.mark.parametrize("variant", [variant for variant in VARIANTS if variant not in DETACHED])
def test_gradient_equals_finite_differences(variant):
    loss = make(variant, dtype="float64")
    traced_loss = traced(loss)  # The slopes are those of its values as a graph, the gradient is not.
    for seed in range(3):
        labels, embeddings = batch(seed)
        value, gradient = value_and_gradient(loss, labels, embeddings)
        class_numbers = to_tensor(labels)
        expected = finite_differences(lambda x, labels=class_numbers: traced_loss(labels, to_tensor(x)), embeddings)
        np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-8)
        assert value > 0
        assert np.abs(gradient).max() > 0


@every_variant
def test_order_of_the_batch_does_not_matter(variant):
    loss = make(variant, dtype="float64")
    labels, embeddings = batch()
    order = np.random.default_rng(1).permutation(len(labels))
    assert float(loss(labels[order], embeddings[order])) == pytest.approx(float(loss(labels, embeddings)), rel=1e-12)


@every_variant
def test_renaming_the_classes_does_not_matter(variant):
    loss = make(variant, dtype="float64")
    labels, embeddings = batch()
    value = float(loss(labels, embeddings))
    renamed = np.array([2, 0, 3, 1])  # Class j becomes renamed[j].
    for weight in loss.weights:
        if len(weight.shape) == 0:
            continue
        rows = to_numpy(weight)
        moved = np.empty_like(rows)
        moved[renamed] = rows
        weight.assign(moved)
    assert float(loss(renamed[labels], embeddings)) == pytest.approx(value, rel=1e-12)


@every_variant
def test_rotating_the_space_does_not_matter(variant):
    loss = make(variant, dtype="float64")
    labels, embeddings = batch()
    value = float(loss(labels, embeddings))
    rotation, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(DIM, DIM)))
    for weight in loss.weights:
        if weight.shape[-1:] == (DIM,):
            weight.assign(to_numpy(weight) @ rotation)
    assert float(loss(labels, embeddings @ rotation)) == pytest.approx(value, rel=1e-9)


DEGENERATE = {
    "one sample": ([2], [[0.3, 0.1, -1.0]]),
    "one class": ([1, 1, 1], [[1, 2, 3], [3, 2, 1], [0, 0, 1]]),
    "all classes distinct": ([0, 1, 2, 3], [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]]),
    "equal embeddings": ([0, 0, 1, 1], [[1, 2, 3]] * 4),
    "zero embeddings": ([0, 0, 1, 1], [[0, 0, 0]] * 4),
    "huge embeddings": ([0, 0, 1, 1], [[1e4, 0, 0], [0, 1e4, 0], [0, 0, 1e4], [1e4, 1e4, 0]]),
}


@every_variant
@pytest.mark.parametrize("case", DEGENERATE)
def test_degenerate_batches_have_finite_values_and_gradients(variant, case):
    labels, embeddings = DEGENERATE[case]
    value, gradient = value_and_gradient(make(variant), labels, np.array(embeddings, "float32"))
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


@every_variant
def test_embeddings_that_are_not_numbers_give_a_loss_that_is_not_a_number(variant):
    """Else training that diverged would go on unseen."""
    labels, embeddings = batch()
    assert np.isnan(float(make(variant)(labels, np.full_like(embeddings, np.nan))))


@every_variant
def test_an_embedding_on_its_own_weight_is_finite(variant):
    loss = make(variant)
    for weight in loss.weights:
        if weight.shape[-1:] == (DIM,):
            own = to_numpy(weight).reshape(CLASSES, -1, DIM)[:, 0]  # The first of several sub-centers.
            value, gradient = value_and_gradient(loss, np.arange(CLASSES), own)
            assert np.isfinite(value)
            assert np.isfinite(gradient).all()


@every_variant
def test_labels_may_be_a_column_or_floats(variant):
    loss = make(variant)
    labels, embeddings = batch()
    value = float(loss(labels, embeddings))
    assert float(loss(labels[:, None], embeddings)) == value
    assert float(loss(labels.astype("float32"), embeddings)) == value
    assert float(loss(labels.astype("int64"), embeddings)) == value


@every_variant
def test_one_hot_labels_are_refused_with_the_remedy(variant):
    labels, embeddings = batch()
    with pytest.raises(ValueError, match="argmax"):
        make(variant)(np.eye(CLASSES)[labels], embeddings)


@every_variant
def test_swapped_arguments_are_refused(variant):
    labels, embeddings = batch()
    with pytest.raises(ValueError, match=r"loss\(labels, embeddings\)"):
        make(variant)(embeddings, labels)


@every_variant
def test_labels_and_embeddings_of_different_length_are_refused(variant):
    labels, embeddings = batch()
    with pytest.raises(ValueError, match="one label per embedding"):
        make(variant)(labels[:-1], embeddings)


@pytest.mark.parametrize("variant", [variant for variant in VARIANTS if make(variant).non_trainable_weights])
def test_what_a_loss_keeps_moves_in_training_unless_it_is_frozen(variant):
    loss = make(variant)
    for trainable in (False, True):
        loss.trainable = trainable
        before = loss.get_weights()
        loss(*batch(), training=True)
        moved = any((a != b).any() for a, b in zip(before, loss.get_weights(), strict=True))
        assert moved == (trainable and variant != "adacos_fixed")


@every_variant
def test_config_round_trip_gives_the_same_loss(variant):
    loss = make(variant)
    copy = type(loss).from_config(loss.get_config())
    copy.set_weights(loss.get_weights())
    labels, embeddings = batch()
    assert copy.get_config() == loss.get_config()
    assert float(copy(labels, embeddings)) == float(loss(labels, embeddings))


@every_variant
def test_maths_is_float32_under_mixed_bfloat16(variant):
    labels, embeddings = batch()
    embeddings = keras.ops.cast(embeddings, "bfloat16")
    plain = make(variant)
    keras.config.set_dtype_policy("mixed_bfloat16")
    loss = make(variant)
    loss.set_weights(plain.get_weights())
    value = loss(labels, embeddings)
    assert keras.backend.standardize_dtype(value.dtype) == "float32"
    assert float(value) == pytest.approx(float(plain(labels, keras.ops.cast(embeddings, "float32"))), rel=1e-6)


@every_variant
def test_a_stateless_call_in_training_gives_the_value_and_the_next_state_and_changes_nothing(variant):
    labels, embeddings = batch()
    labels, embeddings = to_tensor(labels), keras.ops.cast(embeddings, "bfloat16")
    loss = make(variant)
    state = [weight.value for weight in loss.trainable_variables], [w.value for w in loss.non_trainable_variables]
    before = loss.get_weights()
    value, following, losses = loss.stateless_call(*state, labels, embeddings, return_losses=True, training=True)
    assert losses == []
    for weight, old in zip(loss.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)
    assert keras.backend.standardize_dtype(value.dtype) == "float32"
    assert float(value) == float(loss(labels, embeddings, training=True))
    for found, weight in zip(following, loss.non_trainable_variables, strict=True):
        np.testing.assert_array_equal(to_numpy(found), to_numpy(weight))


if keras.backend.backend() == "jax":  # Its own transformations.

    @pytest.mark.parametrize("variant", HOLDING_STATE)
    def test_jax_differentiates_and_compiles_a_stateless_call(variant):
        import jax

        labels, embeddings = batch()
        embeddings = embeddings.astype("float32")
        loss = make(variant)
        trainable, others = ([w.value for w in ws] for ws in (loss.trainable_variables, loss.non_trainable_variables))

        def value_and_next(embeddings, trainable, others, labels):
            return loss.stateless_call(trainable, others, labels, embeddings, training=True)

        step = jax.jit(jax.value_and_grad(value_and_next, argnums=(0, 1), has_aux=True))
        (value, following), (gradient, slopes) = step(embeddings, trainable, others, labels)
        expected_value, *expected = training_step(loss, labels, embeddings)
        np.testing.assert_allclose(value, expected_value, rtol=1e-4)
        gradients = [gradient, *slopes]
        for found, array in zip(gradients, expected[: len(gradients)], strict=True):
            np.testing.assert_allclose(found, array, rtol=1e-4, atol=1e-5)
        loss(labels, embeddings, training=True)
        for found, weight in zip(following, loss.non_trainable_variables, strict=True):
            np.testing.assert_allclose(found, to_numpy(weight), rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize("variant", HOLDING_STATE)
    def test_jax_compiles_a_call_outside_of_training_and_leaves_the_loss_usable(variant):
        import jax

        labels, embeddings = batch()
        embeddings = embeddings.astype("float32")
        loss = make(variant)
        value = float(loss(labels, embeddings))
        assert float(jax.jit(loss)(labels, embeddings)) == pytest.approx(value, rel=1e-4)
        assert float(loss(labels, embeddings)) == value


NOTHING_TO_LEARN = {
    "no two of a class": ([0, 1, 2, 3], [losses.SupervisedContrastiveLoss, losses.NPairLoss]),
    "one class": ([2, 2, 2, 2], []),
}
BOTH_NEEDED = [losses.TripletLoss, losses.LiftedStructureLoss, losses.MultiSimilarityLoss, losses.CircleLoss]


@pytest.mark.parametrize("case", NOTHING_TO_LEARN)
def test_a_batch_without_the_pairs_that_a_loss_needs_gives_0_and_gradient_0(case):
    labels, more = NOTHING_TO_LEARN[case]
    _, embeddings = batch(size=4)
    for variant, (loss, *_) in VARIANTS.items():
        if loss in BOTH_NEEDED + more:
            value, gradient = value_and_gradient(make(variant), labels, embeddings.astype("float32"))
            assert value == 0, variant
            assert np.abs(gradient).max() == 0, variant


def test_a_batch_without_two_of_a_class_leaves_contrastive_and_exponential_triplet_loss_pushing():
    labels, embeddings = np.arange(4), 0.1 * batch(size=4)[1].astype("float32")
    for loss in (losses.ContrastiveLoss(normalize=False), losses.ExponentialTripletLoss(4)):
        _, gradient = value_and_gradient(loss, labels, embeddings)
        assert (gradient * (embeddings - embeddings.mean(0))).sum() < 0  # Downhill they move apart.


@pytest.mark.parametrize(
    "loss", dict.fromkeys(loss for loss, *_ in VARIANTS.values() if "pair_masks" in inspect.getsource(loss))
)
def test_the_documentation_of_a_loss_of_pairs_says_what_a_batch_needs(loss):
    assert "two samples of a class" in " ".join(loss.__doc__.split())


@with_xla
@every_variant
def test_xla_changes_no_value_gradient_or_next_state(variant):
    labels, embeddings = batch()
    embeddings = embeddings.astype("float32")
    loss = make(variant)
    loss(labels, -embeddings, training=True)
    plain, compiled = (training_step(loss, labels, embeddings, xla) for xla in (False, True))
    for array, other in zip(compiled, plain, strict=True):
        np.testing.assert_allclose(array, other, rtol=1e-4, atol=1e-5)


def small_model(name):
    embedder = keras.Sequential([keras.Input((6,)), keras.layers.Dense(DIM)])
    return MetricModel(embedder, LOSSES[name](CLASSES, DIM))


def images_and_labels():
    rng = np.random.default_rng(7)
    return rng.normal(size=(64, 6)).astype("float32"), np.arange(64) % CLASSES


def trained(name, **options):
    """The model, its weights before, and the logs of one epoch of two batches."""
    random.seed(0)
    model = small_model(name)
    model.compile(keras.optimizers.SGD(0.01), **options)
    before = [to_numpy(weight) for weight in model.weights]
    logs = model.fit(*images_and_labels(), batch_size=32, epochs=1, verbose=0, shuffle=False).history
    return model, before, logs


@every_name
def test_fit_trains_every_weight_and_logs_every_term(name):
    model, before, logs = trained(name, run_eagerly=True)
    weighted = sum(weight * logs[term][0] for term, weight in model.term_weights.items())
    assert logs["loss"][0] == pytest.approx(weighted, rel=1e-5)
    assert np.isfinite(logs["loss"][0])
    for weight, old in zip(model.weights, before, strict=True):
        if "seed" not in weight.path:
            assert np.abs(to_numpy(weight) - old).max() > 0, f"{weight.path} did not move"
    after = model.get_weights()
    model.evaluate(*images_and_labels(), verbose=0)
    for weight, other in zip(model.get_weights(), after, strict=True):
        np.testing.assert_array_equal(weight, other, err_msg="Evaluation changed a weight.")


@with_xla
@pytest.mark.parametrize("name", ["center", "a_softmax", "exponential_triplet_center"])
def test_fit_compiled_by_xla_gives_the_same_weights(name):
    """With and without a classifier, a term of state, a step that is counted: what a model adds to its losses."""
    plain, _, _ = trained(name, run_eagerly=True)
    compiled, _, _ = trained(name, jit_compile=True)
    for weight, other in zip(compiled.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(weight, other, rtol=1e-4, atol=1e-6)


def continued(model):
    """The loss of one more batch, and of that batch after the step."""
    model.reset_metrics()  # Up to Keras 3.4, a batch after `fit` reports the mean with those before.
    return [float(model.train_on_batch(*images_and_labels(), return_dict=True)["loss"]) for _ in range(2)]


GO_ON = """
import json
import sys
sys.path[:0] = {path!r}
import keras
from test_every_loss import LOSSES, continued
folder = {folder!r}
results = {{name: continued(keras.models.load_model(f"{{folder}}/{{name}}.keras")) for name in LOSSES}}
print("RESULT", json.dumps(results))
"""


@pytest.mark.slow
def test_models_loaded_in_a_fresh_process_train_on_as_if_never_saved(tmp_path, pytestconfig):
    expected = {}
    for name in LOSSES:
        model, _, _ = trained(name, run_eagerly=True)  # Faster than to trace so few steps.
        model.save(tmp_path / f"{name}.keras")
        expected[name] = continued(model)
    path = [str(pytestconfig.rootpath / folder) for folder in ("", "tests", "tests/losses")]
    script = GO_ON.format(path=path, folder=str(tmp_path))
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    found = json.loads(output.split("RESULT")[1])
    assert found.keys() == expected.keys()
    for name, (before, after) in expected.items():
        assert found[name] == pytest.approx([before, after], rel=1e-5), name
        assert after != before
