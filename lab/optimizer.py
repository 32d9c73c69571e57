"""The optimizer of every training."""

import keras


class AdamW(keras.optimizers.AdamW):
    """Keras' own, of which nothing is left when the model is gone.

    Keras sums gradients over devices by an operation with a gradient of its own, which TensorFlow never forgets, nor
    the whole graph around it: 17,000 objects, 10 MB and more of every training. On one device there is no sum.
    """

    def _all_reduce_sum_gradients(self, grads_and_vars):
        from tensorflow import distribute  # On the other backends nothing calls this.

        replicas = distribute.get_replica_context()
        if replicas is not None and replicas.num_replicas_in_sync > 1:
            return super()._all_reduce_sum_gradients(grads_and_vars)
        return list(grads_and_vars)
