"""Every network by name: small ones of our own, and the backbones of `keras.applications`."""

import keras

from .backbones import backbones, features, weights_content
from .normalization import FusedBatchNormalization, start_averages
from .own import EMBEDDING_INITS, build_cnn, build_lenet_plus_plus, build_resnet, build_vgg, embedding
from .portable import portable

__all__ = [
    "EMBEDDING_INITS",
    "MODELS",
    "FusedBatchNormalization",
    "backbones",
    "build_cnn",
    "build_embedder",
    "portable",
    "start_averages",
    "weights_content",
]

MODELS = {
    "cnn": build_cnn,
    "lenet++": build_lenet_plus_plus,
    "resnet": build_resnet,
    "vgg": build_vgg,
}


def build_embedder(settings, image_shape):
    """The network of a run, from pixels in `[0, 255]` to float32 embeddings.

    Args:
        settings: `Settings` of the run.
        image_shape: `(height, width, channels)`.

    Raises:
        ValueError: If no network has that name, or it refuses the images or the weights.
    """
    name, embedding_dim, init = settings.model, settings.embedding_dim, settings.embedding_init
    if name in MODELS:
        if settings.weights is not None or settings.freeze:
            raise ValueError(f"{name} starts at random weights and trains all of them: only a backbone is given some")
        return MODELS[name](image_shape, embedding_dim, init)
    if name not in backbones():
        raise ValueError(f"Unknown network: {name}. Valid: {', '.join([*MODELS, *backbones()])}")
    images = keras.Input(image_shape)
    found = features(name, images, settings.weights, settings.freeze)
    return keras.Model(images, embedding(found, embedding_dim, init), name=name)
