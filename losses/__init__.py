"""Every loss by name. Adding one is a file in this folder and an entry in `LOSSES`."""

import dataclasses
import inspect

from .center import CenterLoss
from .softmax import Softmax
from .triplet import TripletLoss
from .triplet_center import TripletCenterLoss

__all__ = ["LOSSES", "CenterLoss", "Recipe", "Softmax", "TripletCenterLoss", "TripletLoss"]


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A named, weighted sum of losses: `LOSSES["center"](num_classes, embedding_dim, **overrides)`.

    Args:
        terms: Dict from a term's name in the logs to `(weight, class of the loss)`.
    """

    terms: dict

    def options(self):
        """Dict of everything that can be overridden, with its default.

        The arguments of the losses under their own names, and `<term>_weight`.
        """
        weights = {f"{term}_weight": weight for term, (weight, _) in self.terms.items()}
        return weights | {
            name: default for _, loss in self.terms.values() for name, default in _arguments(loss).items()
        }

    def __call__(self, num_classes, embedding_dim, **overrides):
        """Builds the losses: dict from a term's name to `(weight, layer)`.

        Raises:
            ValueError: If an override is not one of `options()` or a loss refuses its value.
        """
        unknown = sorted(overrides.keys() - self.options().keys())
        if unknown:
            raise ValueError(f"Unknown: {', '.join(unknown)}. Valid: {', '.join(self.options())}")
        options = self.options() | overrides
        shape = {"num_classes": num_classes, "embedding_dim": embedding_dim}
        built = {}
        for term, (_, loss) in self.terms.items():
            weight = options[f"{term}_weight"]
            if not 0 <= weight < float("inf"):
                raise ValueError(f"`{term}_weight` must be finite and not negative. Received: {weight}")
            arguments = {name: options[name] for name in _arguments(loss)}
            state = {name: size for name, size in shape.items() if name in inspect.signature(loss).parameters}
            built[term] = (weight, loss(**state, **arguments))
        return built


def _arguments(loss):
    """Dict of a loss's own constructor arguments with their defaults."""
    parameters = inspect.signature(loss).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty and p.name != "dtype"}


LOSSES = {
    "softmax": Recipe({"softmax": (1.0, Softmax)}),
    "center": Recipe({"softmax": (1.0, Softmax), "center": (0.01, CenterLoss)}),
    "triplet": Recipe({"softmax": (1.0, Softmax), "triplet": (1.0, TripletLoss)}),
    "triplet_center": Recipe({"softmax": (1.0, Softmax), "triplet_center": (0.1, TripletCenterLoss)}),
}
