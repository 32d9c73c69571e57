"""The model that trains a network under several terms, and embeds images with it."""

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy as to_numpy
from support.small_network import few_digits, small_model, small_settings

import models
from losses import CenterLoss, ExponentialCenterLoss, ProxyNCALoss, Softmax, SubCenterArcFace, TripletLoss
from models import MetricModel, build_model

RNG = np.random.default_rng(0)


def linear_model(terms):
    return MetricModel(keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)]), terms)


def test_the_loss_is_the_weighted_sum_of_its_terms():
    terms = {"softmax": (2.0, Softmax(3, 2)), "center": (0.5, CenterLoss(3, 2))}
    model = linear_model(terms)
    model.compile("sgd", jit_compile=False)
    embeddings, labels = RNG.normal(size=(4, 2)).astype("float32"), np.array([0, 1, 2, 0])
    expected = 2 * float(terms["softmax"][1](labels, embeddings)) + 0.5 * float(terms["center"][1](labels, embeddings))
    assert float(model.compute_loss(y=labels, y_pred=embeddings, training=False)) == pytest.approx(expected)


def test_weights_and_centers_of_the_losses_belong_to_the_model():
    model = linear_model({"softmax": (1.0, Softmax(3, 2)), "center": (1.0, CenterLoss(3, 2))})
    trainable = {weight.name for weight in model.trainable_variables}
    assert {"class_weights", "bias"} <= trainable
    assert "centers" in {weight.name for weight in model.non_trainable_variables}


def test_predict_needs_no_labels_and_gives_embeddings():
    model = linear_model({"softmax": (1.0, Softmax(3, 2))})
    assert model.predict(np.zeros((5, 2)), verbose=0).shape == (5, 2)


def test_both_sides_of_an_image_are_embedded_where_the_settings_say_so(tmp_path):
    data = few_digits()
    keras.utils.set_random_seed(0)
    for both_sides in (True, False):
        model = build_model(small_settings(both_sides=both_sides), data.image_shape, data.num_classes)
        model(data.test.images[:1])
        model.save(tmp_path / "model.keras")
        sides = [model.predict(images, verbose=0) for images in (data.test.images, data.test.images[:, :, ::-1])]
        assert abs(sides[0] - sides[1]).max() > 0.01
        expected = sum(sides) / 2 if both_sides else sides[0]
        for each in (model, keras.models.load_model(tmp_path / "model.keras")):
            np.testing.assert_allclose(each.embed(data.test.images), expected, rtol=1e-5, atol=1e-6)


def test_labels_are_smoothed_where_a_loss_can_and_is_given_nothing_else():
    data = few_digits()

    def smoothing(loss, **overrides):
        settings = small_settings(loss, label_smoothing=0.1, overrides=overrides)
        terms = build_model(settings, data.image_shape, data.num_classes).terms
        return [getattr(term, "label_smoothing", None) for term in terms.values()]

    assert smoothing("center") == [0.1, None]
    assert smoothing("center", label_smoothing=0.3) == [0.3, None]
    assert smoothing("contrastive") == [None]


def test_a_penalty_of_the_network_is_part_of_the_loss():
    embedder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, kernel_regularizer=keras.regularizers.L2(1))])
    model = MetricModel(embedder, {"softmax": (0.0, Softmax(3, 2))})
    expected = (to_numpy(embedder.layers[0].kernel) ** 2).sum()
    value = model.compute_loss(y=np.array([0]), y_pred=np.zeros((1, 2), "float32"), training=False)
    assert float(value) == pytest.approx(expected, rel=1e-6)


def test_the_head_accuracy_is_logged():
    loss = Softmax(2, 2)
    loss.class_weights.assign([[1.0, 0.0], [-1.0, 0.0]])
    embedder = keras.Sequential([keras.Input((2,)), keras.layers.Identity()])
    model = MetricModel(embedder, {"softmax": (1.0, loss)})
    model.compile(jit_compile=False)
    logs = model.evaluate(
        np.array([[1.0, 0], [2, 0], [-1, 0], [1, 0]]), np.array([0, 0, 1, 1]), verbose=0, return_dict=True
    )
    assert logs["head_accuracy"] == 0.75


def test_sample_weights_are_refused():
    model = linear_model({"softmax": (1.0, Softmax(3, 2))})
    model.compile("sgd", jit_compile=False)
    with pytest.raises(ValueError, match="sample weights"):
        model.fit(np.zeros((4, 2)), np.zeros(4, int), sample_weight=np.ones(4), verbose=0)


def test_a_loss_in_compile_is_refused():
    """It would be left out without a word."""
    model = linear_model({"softmax": (1.0, Softmax(3, 2))})
    model.compile("sgd", loss=TripletLoss(), jit_compile=False)
    with pytest.raises(ValueError, match="its terms"):
        model.fit(np.zeros((4, 2)), np.zeros(4, int), verbose=0)


def test_a_head_that_is_not_trained_is_no_classifier():
    terms = {"softmax": (0.0, Softmax(3, 2)), "center": (1.0, CenterLoss(3, 2))}
    assert linear_model(terms).classifier is None


def model_of(loss):
    """A model of one term, which no embedder is needed for."""
    return MetricModel(None, {"loss": (1.0, loss)})


@pytest.mark.parametrize(
    ("loss", "shape"),
    [(Softmax(4, 3), (4, 1, 3)), (ProxyNCALoss(4, 3), (4, 1, 3)), (SubCenterArcFace(4, 3, 2), (4, 2, 3))],
)
def test_directions_are_the_class_weights_or_proxies(loss, shape):
    assert model_of(loss).class_directions.shape == shape


def test_a_loss_without_class_weights_or_weight_has_no_directions():
    model = MetricModel(None, {"triplet": (1.0, TripletLoss()), "softmax": (0.0, Softmax(4, 3))})
    assert model.class_directions is None


def test_centers_are_shown_where_they_are_in_the_space_of_the_embeddings():
    assert model_of(CenterLoss(4, 3)).shown_centers.shape == (4, 3)
    assert model_of(ProxyNCALoss(4, 3)).shown_centers is None  # Directions.
    assert model_of(ExponentialCenterLoss(4, 3)).shown_centers is None  # In a ball, where the embeddings are not.
    assert model_of(TripletLoss()).shown_centers is None


def test_what_is_learned_for_a_class_is_its_center_or_its_proxy():
    for loss, own in ((CenterLoss, "centers"), (ProxyNCALoss, "proxies"), (ExponentialCenterLoss, "centers")):
        term = loss(4, 3)
        np.testing.assert_array_equal(model_of(term).learned_centers, to_numpy(getattr(term, own)))
    assert model_of(Softmax(4, 3)).learned_centers is None


def test_embeddings_of_many_images_are_made_part_by_part(monkeypatch):
    model, images = linear_model({"softmax": (1.0, Softmax(3, 2))}), RNG.normal(size=(10, 2)).astype("float32")
    sizes, predict = [], model.predict_on_batch
    monkeypatch.setattr(models, "MOST_IMAGES", 4)
    monkeypatch.setattr(model, "predict_on_batch", lambda part: sizes.append(len(part)) or predict(part))
    found = model.embed(images)
    assert isinstance(found, np.ndarray)
    np.testing.assert_allclose(found, to_numpy(model.embedder(images)), rtol=1e-5)
    assert sizes == [4, 4, 2]
    monkeypatch.setattr(models, "MOST_VALUES", 7)  # Three images of two values.
    model.embed(images)
    assert sizes[3:] == [3, 3, 3, 1]


def test_no_images_have_no_embeddings():
    assert linear_model({"softmax": (1.0, Softmax(3, 2))}).embed(np.zeros((0, 2), "float32")).shape == (0, 2)


def test_logits_are_those_of_the_classifier_if_there_is_one():
    embeddings, loss = RNG.normal(size=(5, 2)).astype("float32"), Softmax(3, 2)
    found = linear_model({"softmax": (1.0, loss)}).class_logits(embeddings)
    assert isinstance(found, np.ndarray)
    np.testing.assert_allclose(found, embeddings @ to_numpy(loss.class_weights).T + to_numpy(loss.bias), rtol=1e-5)
    assert linear_model({"center": (1.0, CenterLoss(3, 2))}).class_logits(embeddings) is None


def test_every_loss_starts_from_the_same_network_and_head():
    starts = {}
    for loss in ("softmax", "center", "triplet", "triplet_center"):
        keras.utils.set_random_seed(len(starts))  # The model's own seed counts.
        model = small_model(small_settings(loss, seed=3), few_digits())
        starts[loss] = [*model.embedder.get_weights(), *model.classifier.get_weights()]
    for loss, weights in starts.items():
        for first, other in zip(starts["softmax"], weights, strict=True):
            np.testing.assert_array_equal(first, other, err_msg=loss)


def test_another_seed_starts_from_another_network():
    one, other = (small_model(small_settings(seed=seed), few_digits()).get_weights() for seed in (0, 1))
    assert any(np.abs(a - b).max() > 0.01 for a, b in zip(one, other, strict=True))


def test_a_model_is_built_as_the_settings_say():
    settings = small_settings("triplet", model="lenet++", embedding_dim=5, overrides={"margin": 0.7})
    model = build_model(settings, (28, 28, 1), 10)
    assert model.embedder.name == "lenet_plus_plus"
    assert model.embedder.output_shape == (None, 5)
    assert model.terms.keys() == {"softmax", "triplet"}
    assert model.terms["triplet"].margin == 0.7


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_the_policy_asked_for_is_the_one_the_network_computes_in(policy):
    model = small_model(small_settings(precision=policy), few_digits())
    convolution = next(layer for layer in model.embedder.layers if isinstance(layer, keras.layers.Conv2D))
    assert convolution.compute_dtype == policy.removeprefix("mixed_")
    assert model.embedder.layers[-1].compute_dtype == "float32"
    assert model.embed(few_digits().test.images[:3]).dtype == np.float32
