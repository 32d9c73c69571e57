"""Sub-center ArcFace: several centers a class, so that noisy samples need not be near the main one."""

import keras
from keras import ops

from .arcface import ArcFace
from .arguments import whole_number
from .numerics import cosines


@keras.saving.register_keras_serializable(package="losses")
class SubCenterArcFace(ArcFace):
    """ArcFace with the nearest of several sub-centers as the class weight.

        cos(t_ij) = max_k cos(x_i, w_jk),     then as ArcFace

    Only the nearest sub-center of a class gets gradient, so that some may never be used. The
    paper uses scale 64 and margin 0.5; ten classes want less of both. The class weights have
    shape `(num_classes, sub_centers, embedding_dim)`. Holds state: use it in a `MetricModel`;
    `compile(loss=...)` raises.

    Args:
        num_classes: Number of classes; labels are integers in `[0, num_classes)`.
        embedding_dim: Length of an embedding.
        sub_centers: At least 1; 1 is ArcFace.
        scale: Above 0; inverse temperature of the softmax.
        margin: Radians, in `[0, pi]`.
        wrap: `"reflect"`, `"threshold"` or `"none"`, as in `ArcFace`.
        margin_gradient: `"exact"` or `"detached"`, as in `ArcFace`.

    Call arguments:
        labels: Integer tensor `(batch,)`.
        embeddings: Float tensor `(batch, embedding_dim)`.

    Returns:
        Scalar, in nats.

    Raises:
        ValueError: If an argument is outside its range.

    Reference:
        Deng et al., Sub-center ArcFace: Boosting Face Recognition by Large-Scale Noisy Web
        Faces, ECCV 2020.
    """

    def __init__(
        self,
        num_classes,
        embedding_dim,
        sub_centers=3,
        scale=20.0,
        margin=0.3,
        wrap="reflect",
        margin_gradient="exact",
        dtype="float32",
        **kwargs,
    ):
        self.sub_centers = whole_number("sub_centers", sub_centers, 1)
        super().__init__(num_classes, embedding_dim, scale, margin, wrap, margin_gradient, dtype=dtype, **kwargs)

    def add_class_weights(self, num_classes, embedding_dim):
        return super().add_class_weights(num_classes, self.sub_centers, embedding_dim)

    def cosines(self, embeddings):
        num_classes, sub_centers, embedding_dim = self.class_weights.shape
        to_all = cosines(embeddings, ops.reshape(self.class_weights, (-1, embedding_dim)))
        return ops.max(ops.reshape(to_all, (-1, num_classes, sub_centers)), axis=-1)
