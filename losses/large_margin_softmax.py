"""Large-margin softmax: the margin of A-Softmax with class weights of any length."""

import keras

from .a_softmax import ASoftmax
from .numerics import lengths


@keras.saving.register_keras_serializable(package="losses")
class LargeMarginSoftmax(ASoftmax):
    """Softmax with a multiplied target angle; class weights keep their length.

        Z_ij = |w_j| |x_i| cos(t_ij)                                              for j != y_i
        Z_ij = |w_j| |x_i| (lambda cos(t_ij) + psi(t_ij)) / (1 + lambda)          for j = y_i

    with psi, lambda and the loss as in `ASoftmax`, which came later and normalises the
    weights. The authors anneal lambda over the 20,000 steps of their MNIST example
    (`gamma` 2.5e-5); the default here falls to 0.2 in 687 steps (three epochs of MNIST in
    batches of 240), to 0.02 in 916 and to 0.0004 in 1,300.
    Sensible for ten classes: margin 2 to 4. Holds state: use it in a `MetricModel`;
    `compile(loss=...)` raises.

    Args:
        num_classes: Number of classes; labels are integers in `[0, num_classes)`.
        embedding_dim: Length of an embedding.
        margin: Integer factor of the angle, at least 1.
        annealing: `(base, gamma, power, minimum)` of lambda, none negative.

    Call arguments:
        labels: Integer tensor `(batch,)`.
        embeddings: Float tensor `(batch, embedding_dim)`.
        training: Whether the step counts.

    Returns:
        Scalar, in nats.

    Raises:
        ValueError: If an argument is outside its range.

    Reference:
        Liu et al., Large-Margin Softmax Loss for Convolutional Neural Networks, ICML 2016.
    """

    def __init__(
        self, num_classes, embedding_dim, margin=2, annealing=(1000.0, 4e-4, 35.0, 0.0), dtype="float32", **kwargs
    ):
        super().__init__(num_classes, embedding_dim, margin, annealing, dtype=dtype, **kwargs)

    def weight_lengths(self):
        return lengths(self.class_weights)
