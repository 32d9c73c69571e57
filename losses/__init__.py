"""Every loss by name. Adding one is a file in this folder and an entry in `LOSSES`."""

import dataclasses
import inspect

from .a_softmax import ASoftmax
from .adacos import AdaCos
from .arcface import ArcFace
from .arguments import number
from .center import CenterLoss
from .circle import CircleLoss
from .contrastive import ContrastiveLoss
from .contrastive_center import ContrastiveCenterLoss
from .cosface import CosFace
from .exponential_triplet import ExponentialCenterLoss, ExponentialTripletLoss
from .intra_enhanced_triplet import IntraEnhancedTripletLoss
from .l2_softmax import L2Softmax
from .large_margin_softmax import LargeMarginSoftmax
from .lifted_structure import LiftedStructureLoss
from .multi_similarity import MultiSimilarityLoss
from .n_pair import NPairLoss
from .normalized_softmax import NormalizedSoftmax
from .proxy_anchor import ProxyAnchorLoss
from .proxy_nca import ProxyNCALoss
from .ring import RingLoss
from .softmax import Softmax
from .sphereface_r import SphereFaceR
from .sub_center_arcface import SubCenterArcFace
from .supervised_contrastive import SupervisedContrastiveLoss
from .triplet import TripletLoss
from .triplet_center import TripletCenterLoss

__all__ = [
    "LOSSES",
    "ASoftmax",
    "AdaCos",
    "ArcFace",
    "CenterLoss",
    "CircleLoss",
    "ContrastiveCenterLoss",
    "ContrastiveLoss",
    "CosFace",
    "ExponentialCenterLoss",
    "ExponentialTripletLoss",
    "IntraEnhancedTripletLoss",
    "L2Softmax",
    "LargeMarginSoftmax",
    "LiftedStructureLoss",
    "MultiSimilarityLoss",
    "NPairLoss",
    "NormalizedSoftmax",
    "ProxyAnchorLoss",
    "ProxyNCALoss",
    "Recipe",
    "RingLoss",
    "Softmax",
    "SphereFaceR",
    "SubCenterArcFace",
    "SupervisedContrastiveLoss",
    "TripletCenterLoss",
    "TripletLoss",
]


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A named, weighted sum of losses: `LOSSES["center"](num_classes, embedding_dim, **overrides)`.

    Args:
        terms: Dict from a term's name in the logs to `(weight, class of the loss)`.
        arguments: Dict of arguments whose default is another one here than in the class.
    """

    terms: dict
    arguments: dict = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        unknown = self.arguments.keys() - {name for _, loss in self.terms.values() for name in _arguments(loss)}
        if unknown:
            raise ValueError(f"No term has the arguments {', '.join(sorted(unknown))}")

    def options(self):
        """Dict of everything that can be overridden, with its default.

        The arguments of the losses under their own names, and `<term>_weight`. An argument
        that two terms have is one: both get the same value.
        """
        weights = {f"{term}_weight": weight for term, (weight, _) in self.terms.items()}
        arguments = {name: default for _, loss in self.terms.values() for name, default in _arguments(loss).items()}
        return weights | arguments | self.arguments

    def __call__(self, num_classes, embedding_dim, **overrides):
        """Builds the losses: dict from a term's name to `(weight, layer)`.

        Raises:
            ValueError: If an override is not one of `options()` or a loss refuses its value.
        """
        unknown = sorted(overrides.keys() - self.options().keys())
        if unknown:
            raise ValueError(f"Unknown: {', '.join(unknown)}. Valid: {', '.join(self.options())}")
        options = self.options() | overrides
        if not any(options[f"{term}_weight"] for term in self.terms):
            raise ValueError("All weights are 0: there is nothing to train")
        shape = {"num_classes": num_classes, "embedding_dim": embedding_dim}
        built = {}
        for term, (_, loss) in self.terms.items():
            weight = number(f"{term}_weight", options[f"{term}_weight"])
            arguments = {name: options[name] for name in _arguments(loss)}
            state = {name: size for name, size in shape.items() if name in inspect.signature(loss).parameters}
            built[term] = (weight, loss(**state, **arguments))
        return built


def _arguments(loss):
    """Dict of a loss's own constructor arguments with their defaults."""
    parameters = inspect.signature(loss).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty and p.name != "dtype"}


# The exponential triplet loss was published beside a "standard" one, on the unit sphere with a
# margin of 0.2 in cosine distance, which is half of the squared distance. It took the hardest
# of two positives; the hardest of the 23 in a batch of ours collapse the embedding.
_STANDARD = {"mining": "batch_all", "margin": 0.4}
_SOFTMAX = {"softmax": (1.0, Softmax)}
_STANDARD_TRIPLET = {"triplet": (1.0, TripletLoss)}
_EXPONENTIAL_TRIPLET = {"exponential_triplet": (1.0, ExponentialTripletLoss)}
_EXPONENTIAL_CENTER = {"exponential_center": (1.0, ExponentialCenterLoss)}

LOSSES = {
    "softmax": Recipe(_SOFTMAX),
    "center": Recipe(_SOFTMAX | {"center": (0.01, CenterLoss)}),
    "triplet": Recipe(_SOFTMAX | {"triplet": (1.0, TripletLoss)}),
    "triplet_center": Recipe(_SOFTMAX | {"triplet_center": (0.4, TripletCenterLoss)}),
    # Softmax on the angle.
    "normalized_softmax": Recipe({"normalized_softmax": (1.0, NormalizedSoftmax)}),
    "cosface": Recipe({"cosface": (1.0, CosFace)}),
    "arcface": Recipe({"arcface": (1.0, ArcFace)}),
    "sub_center_arcface": Recipe({"sub_center_arcface": (1.0, SubCenterArcFace)}),
    "adacos": Recipe({"adacos": (1.0, AdaCos)}),
    "a_softmax": Recipe({"a_softmax": (1.0, ASoftmax)}),
    "sphereface_r": Recipe({"sphereface_r": (1.0, SphereFaceR)}),
    "large_margin_softmax": Recipe({"large_margin_softmax": (1.0, LargeMarginSoftmax)}),
    "l2_softmax": Recipe({"l2_softmax": (1.0, L2Softmax)}),
    # Softmax with a term on the embedding.
    "ring": Recipe(_SOFTMAX | {"ring": (0.01, RingLoss)}),
    "contrastive_center": Recipe(_SOFTMAX | {"contrastive_center": (1.0, ContrastiveCenterLoss)}),
    # Class proxies.
    "proxy_nca": Recipe({"proxy_nca": (1.0, ProxyNCALoss)}),
    "proxy_anchor": Recipe({"proxy_anchor": (1.0, ProxyAnchorLoss)}),
    # Pairs and triplets of the batch.
    "contrastive": Recipe({"contrastive": (1.0, ContrastiveLoss)}),
    "triplet_only": Recipe({"triplet": (1.0, TripletLoss)}),
    "intra_enhanced_triplet": Recipe({"intra_enhanced_triplet": (1.0, IntraEnhancedTripletLoss)}),
    "lifted_structure": Recipe({"lifted_structure": (1.0, LiftedStructureLoss)}),
    "n_pair": Recipe({"n_pair": (1.0, NPairLoss)}),
    "multi_similarity": Recipe({"multi_similarity": (1.0, MultiSimilarityLoss)}),
    "circle": Recipe({"circle": (1.0, CircleLoss)}),
    "supervised_contrastive": Recipe({"supervised_contrastive": (1.0, SupervisedContrastiveLoss)}),
    # The eight rows of the exponential triplet loss's table.
    "std_triplet": Recipe(_STANDARD_TRIPLET, _STANDARD),
    "std_triplet_class": Recipe(_STANDARD_TRIPLET | _SOFTMAX, _STANDARD),
    "std_triplet_center": Recipe(_STANDARD_TRIPLET | _EXPONENTIAL_CENTER, _STANDARD | {"embedding_norm": "l2"}),
    "std_triplet_class_center": Recipe(
        _STANDARD_TRIPLET | _SOFTMAX | _EXPONENTIAL_CENTER, _STANDARD | {"embedding_norm": "l2"}
    ),
    "exponential_triplet": Recipe(_EXPONENTIAL_TRIPLET),
    "exponential_triplet_class": Recipe(_EXPONENTIAL_TRIPLET | _SOFTMAX),
    "exponential_triplet_center": Recipe(_EXPONENTIAL_TRIPLET | _EXPONENTIAL_CENTER),
    "exponential_triplet_class_center": Recipe(_EXPONENTIAL_TRIPLET | _SOFTMAX | _EXPONENTIAL_CENTER),
}
