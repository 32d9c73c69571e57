"""What a loss does while it trains: scores and vital signs after every epoch, and an end to training gone wrong."""

import keras
import numpy as np
from keras.ops import convert_to_numpy as to_numpy
from scipy.spatial.distance import cdist

from evaluation.classification import nearest_mean
from evaluation.retrieval import retrieval
from evaluation.vectors import class_means, have_lengths, l2_normalize
from lab.batches import Batches
from lab.settings import as_given
from losses import LOSSES

SETTLING_STEPS = 50  # Until then the averages of batch normalisation mean little.
MINED_BATCHES = 4  # Validation batches that show how many triplets or pairs are active.
CENTERS = 5000  # Between which distances are taken, in a second: of more, evenly chosen ones.


class Health(keras.callbacks.Callback):
    """Scores the validation embeddings after every epoch and stops training that went wrong.

    Adds to the logs, for the callbacks behind it, `learning_rate`, `val_map_at_r`, `val_center_accuracy`
    (means of the validation embeddings themselves), and the vital signs under names that all losses share:

    - `val_spread`: mean distance of an L2-normalised embedding to the mean of all.
    - `val_embedding_norm`: mean length of an embedding.
    - `val_active_fraction`: share of what a mined loss looks at that still counts: triplets,
      pairs, samples or anchors, as its `active_fraction` says.
    - `val_target_angle`: mean angle to the own class weight or proxy, in degrees.
    - `val_center_distance`, `val_center_drift`: smallest distance between two centers (or
      proxies; of many, some of them), and the mean distance each moved in this epoch.
    - `val_annealing`: lambda of A-Softmax and large-margin softmax; 0 is the full margin.
    - `val_scale`, `val_radius`: of the losses that learn theirs.

    `distributions` holds the lengths, the angles and the distances to the class means themselves,
    by name; `failure` says what went wrong, if anything did.
    """

    def __init__(self, validation, settings):
        super().__init__()
        self.validation = validation
        self.settings = settings
        self.mined = Batches.of_validation(validation, settings).indices[:MINED_BATCHES]
        self.distributions = {}
        self.failure = None
        self.suspicions = 0  # Epochs in a row that looked collapsed.

    @property
    def state(self):
        """What the next epoch depends on, beside the model."""
        return {"suspicions": self.suspicions}

    @state.setter
    def state(self, state):
        self.suspicions = int(state["suspicions"])
        self.centers = self.model.learned_centers

    def on_train_begin(self, logs=None):
        self.centers = self.model.learned_centers

    def on_epoch_end(self, epoch, logs):
        self.distributions.clear()
        embeddings = self.model.embed(self.validation.images)
        logs["learning_rate"] = float(to_numpy(self.model.optimizer.learning_rate))
        if not (np.isfinite(logs["loss"]) and have_lengths(embeddings)):
            logs |= dict.fromkeys(("val_center_accuracy", "val_map_at_r", "val_spread"), np.nan)
            precision = "" if self.settings.precision == "float32" else "--precision float32, "
            self._fail(
                f"diverged: the loss is {logs['loss']} in epoch {epoch + 1}. Known remedies: a lower "
                f"--learning-rate, {precision}a smaller weight, scale or margin of the loss with --set."
            )
            return
        normalized = l2_normalize(embeddings)
        _, labels = np.unique(self.validation.labels, return_inverse=True)  # Of the classes that have images here.
        means = class_means(normalized, labels)
        self.distributions["class_mean_distance"] = np.linalg.norm(normalized - means[labels], axis=1)
        logs["val_center_accuracy"] = float((nearest_mean(normalized, means) == labels).mean())
        logs["val_map_at_r"] = retrieval(normalized, self.validation.labels)["map_at_r"]
        logs["val_spread"] = _spread(normalized)
        logs |= {f"val_{name}": value for name, value in self._vital_signs(embeddings).items()}
        symptom = self._symptom(logs, _spread(embeddings))
        self.suspicions = self.suspicions + 1 if symptom else 0
        if self.suspicions == 2 or (symptom and epoch + 1 == self.settings.epochs):
            remedies = "; ".join(self._remedies())
            self._fail(f"collapsed: {symptom} in epoch {epoch + 1}. Known remedies: {remedies}.")

    def _vital_signs(self, embeddings):
        """Dict from a name to a number; what a loss does not have is left out."""
        labels = self.validation.labels
        self.distributions["embedding_norm"] = np.linalg.norm(embeddings, axis=1)
        signs = {"embedding_norm": float(self.distributions["embedding_norm"].mean())}
        for loss in self.model.terms.values():
            if hasattr(loss, "active_fraction"):
                shares = [float(loss.active_fraction(labels[batch], embeddings[batch])) for batch in self.mined]
                signs["active_fraction"] = float(np.mean(shares))
            if hasattr(loss, "annealing_value"):
                signs["annealing"] = float(loss.annealing_value())
            signs |= {name: float(getattr(loss, name)) for name in ("scale", "radius") if _is_learned(loss, name)}
        directions = self.model.class_directions
        if directions is not None:
            self.distributions["target_angle"] = target_angles(embeddings, labels, directions)
            signs["target_angle"] = float(self.distributions["target_angle"].mean())
        return signs | self._center_signs()

    def _center_signs(self):
        """How far apart the centers are, and how far they moved since the last epoch."""
        before, self.centers = self.centers, self.model.learned_centers
        if self.centers is None:
            return {}
        return {
            "center_distance": smallest_distance(self.centers[:: -(-len(self.centers) // CENTERS)]),
            "center_drift": float(np.linalg.norm(self.centers - before, axis=1).mean()),
        }

    def _symptom(self, logs, spread):
        """What looks collapsed, in words; None if nothing does, or it is too early to tell."""
        if int(self.model.optimizer.iterations) < SETTLING_STEPS:
            return None
        if logs["val_spread"] < 0.01:
            return f"all embeddings point the same way (spread {logs['val_spread']:.2g} on the unit sphere)"
        if logs["val_center_accuracy"] > 0.9:
            return None
        if spread < 0.02:
            return f"all embeddings are nearly equal (spread {spread:.2g})"
        for name, loss in self.model.terms.items():
            value = getattr(loss, "collapsed_value", None)
            if value and abs(logs[name] - value) < 0.01 * value:
                return f"{name} stays at {logs[name]:.4g}, its value when all embeddings are equal,"
        return None

    def _remedies(self):
        """What helps against a collapse, as far as this loss has it and the run has not."""
        name = self.settings.loss
        now = LOSSES[name].options() | self.settings.overrides
        yield "a lower --learning-rate"
        others = [key for term in LOSSES[name].terms if term != "softmax" and now[key := f"{term}_weight"]]
        if now.get("softmax_weight") == 0:
            yield f"a softmax term beside the loss (--set {name}.softmax_weight=1)"
        elif "softmax_weight" in now and others:
            yield f"less of the loss beside its softmax term (--set {name}.{others[0]}={now[others[0]] / 4:g})"
        if "mining" in now:
            better = {"mining": "semi_hard", "normalize": True}
            changes = [f"{name}.{key}={as_given(value)}" for key, value in better.items() if now[key] != value]
            if changes:
                yield f"--set {' '.join(changes)}"
            elif now["margin"] and not now["soft_margin"]:
                yield f"a smaller margin (--set {name}.margin={now['margin'] / 2:g})"

    def _fail(self, failure):
        self.failure = failure
        self.model.stop_training = True


def target_angles(embeddings, labels, directions):
    """Angle of each embedding to the nearest direction of its class, in degrees `(n,)`."""
    own = l2_normalize(directions)[labels]  # (n, k, embedding_dim)
    cosines = np.einsum("nd,nkd->nk", l2_normalize(embeddings), own).max(axis=1)
    return np.degrees(np.arccos(np.clip(cosines, -1, 1)))


def smallest_distance(points):
    """Smallest distance of any two points, in float64."""
    points = points.astype(np.float64)
    return float(min(cdist(points[i : i + 1], points[i + 1 :]).min() for i in range(len(points) - 1)))


def _is_learned(loss, name):
    return isinstance(getattr(loss, name, None), keras.Variable)


def _spread(embeddings):
    """Mean distance of an embedding to the mean of all."""
    return float(np.linalg.norm(embeddings - embeddings.mean(axis=0), axis=1).mean())
