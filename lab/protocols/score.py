"""How a score is shown, and the groups of scores that the protocols are made of."""

import dataclasses
import math


@dataclasses.dataclass(frozen=True)
class Score:
    """How a number is shown.

    Args:
        title: Its name in words.
        short: Its name where there is little room; a line break where it may break.
        percent: Whether a fraction is shown in percent.
        digits: Digits after the point.
        better: 1 if more is better, -1 if less is, 0 if neither.
        limits: Its smallest and its largest possible value.
    """

    title: str
    short: str = ""
    percent: bool = False
    digits: int = 3
    better: int = 1
    limits: tuple = (0, 1)

    @property
    def header(self):
        """The name with its unit."""
        return f"{self.title} (%)" if self.percent else self.title

    def text(self, value, sign=""):
        """A value with its digits; `sign` is `"+"` to show it also of a positive one."""
        return f"{100 * value if self.percent else value:{sign}z.{self.digits}f}"  # No negative zero.


FROM_0 = (0, math.inf)


def prefixed(key, title, scores):
    """The same scores of some of the images, with that in their names."""
    return {f"{key}_{name}": dataclasses.replace(s, title=f"{title}: {s.title}") for name, s in scores.items()}


def _percent(title, short="", better=1):
    return Score(title, short, percent=True, digits=2, better=better)


CLASSES = {
    "head_accuracy": _percent("head", "head\n%"),
    "center_accuracy": _percent("nearest mean", "nearest\nmean %"),
}
VOTE = {"knn_accuracy": _percent("5-NN", "5-NN\n%")}
RETRIEVAL = {
    "recall_at_1": _percent("Recall@1", "R@1\n%"),
    "r_precision": Score("R-precision", "R-pre-\ncision", digits=4),
    "map_at_r": Score("MAP@R", "MAP@R", digits=4),
}
AVERAGE_PRECISION = {"mean_average_precision": Score("mAP", "mAP", digits=4)}
PAIRS = {
    "eer": _percent("EER", "EER\n%", better=-1),
    "tar_at_far_1e-2": _percent("TAR at FAR 1e-2", "TAR %\n@1e-2"),
    "tar_at_far_1e-3": _percent("TAR at FAR 1e-3", "TAR %\n@1e-3"),
    "pair_auroc": Score("AUROC", digits=4),
    "d_prime": Score("d'", digits=2, limits=(-math.inf, math.inf)),
}
GEOMETRY = {
    "intra_distance": Score("intra distance", better=-1, limits=FROM_0),
    "inter_distance": Score("inter distance", limits=FROM_0),
    "distance_ratio": Score("intra/inter", "intra/\ninter", better=-1, limits=FROM_0),
    "silhouette": Score("silhouette", limits=(-1, 1)),
    "effective_rank": Score("effective rank", digits=1, better=0, limits=FROM_0),
    "mean_angle": Score("mean angle °", digits=1, better=0, limits=FROM_0),
    "smallest_angle": Score("smallest angle °", digits=1, limits=FROM_0),
    "norm_mean": Score("mean length", digits=2, better=0, limits=FROM_0),
    "norm_deviation": Score("deviation of lengths", digits=2, better=0, limits=FROM_0),
}
SHOTS = {f"{n}_shot": _percent(f"{n}-shot", f"{n}-shot\n%") for n in (1, 5, 10)}
OPEN_SET = {
    "auroc": Score("AUROC", "known?\nAUROC", digits=4),
    "oscr": Score("OSCR", "OSCR", digits=4),
    "fpr_at_95_tpr": _percent("FPR at 95 % TPR", better=-1),
}
