"""Every score by name: how it is shown, and which way is better."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Score:
    """How a number is shown.

    Args:
        title: Its name in words.
        short: Its name where there is little room; a line break where it may break.
        percent: Whether a fraction is shown in percent.
        digits: Digits after the point.
        better: 1 if more is better, -1 if less is, 0 if neither.
    """

    title: str
    short: str = ""
    percent: bool = False
    digits: int = 3
    better: int = 1

    @property
    def header(self):
        """The name with its unit."""
        return f"{self.title} (%)" if self.percent else self.title

    def text(self, value, sign=""):
        """A value with its digits; `sign` is `"+"` to show it also of a positive one."""
        return f"{100 * value if self.percent else value:{sign}z.{self.digits}f}"  # No negative zero.


def _percent(title, short="", better=1):
    return Score(title, short, percent=True, digits=2, better=better)


def _prefixed(key, title, scores):
    return {f"{key}_{name}": dataclasses.replace(s, title=f"{title}: {s.title}") for name, s in scores.items()}


_CLASSES = {
    "head_accuracy": _percent("head", "head\n%"),
    "center_accuracy": _percent("nearest mean", "nearest\nmean %"),
}
_RETRIEVAL = {
    "recall_at_1": _percent("Recall@1", "R@1\n%"),
    "r_precision": Score("R-precision", "R-pre-\ncision", digits=4),
    "map_at_r": Score("MAP@R", "MAP@R", digits=4),
}
_PAIRS = {
    "eer": _percent("EER", "EER\n%", better=-1),
    "tar_at_far_1e-2": _percent("TAR at FAR 1e-2", "TAR %\n@1e-2"),
    "tar_at_far_1e-3": _percent("TAR at FAR 1e-3", "TAR %\n@1e-3"),
    "pair_auroc": Score("AUROC", digits=4),
    "d_prime": Score("d'", digits=2),
}
_GEOMETRY = {
    "intra_distance": Score("intra distance", better=-1),
    "inter_distance": Score("inter distance"),
    "distance_ratio": Score("intra/inter", "intra/\ninter", better=-1),
    "silhouette": Score("silhouette"),
    "effective_rank": Score("effective rank", digits=1, better=0),
    "mean_angle": Score("mean angle °", digits=1, better=0),
    "smallest_angle": Score("smallest angle °", digits=1),
    "norm_mean": Score("mean length", digits=2, better=0),
    "norm_deviation": Score("deviation of lengths", digits=2, better=0),
}
_SHOTS = {f"{n}_shot": _percent(f"{n}-shot", f"{n}-shot\n%") for n in (1, 5, 10)}
_UNKNOWN = {
    "auroc": Score("AUROC", "known?\nAUROC", digits=4),
    "oscr": Score("OSCR", "OSCR", digits=4),
    "fpr_at_95_tpr": _percent("FPR at 95 % TPR", better=-1),
}
# The scores of each protocol, in tables that fit a page.
TABLES = {
    "closed": {
        "Classification and retrieval": _CLASSES | {"knn_accuracy": _percent("5-NN", "5-NN\n%")} | _RETRIEVAL,
        "Same class or not: all pairs of test images": _PAIRS,
        "Shape of the embedding": _GEOMETRY,
    },
    "open": {
        "Known classes, and images of unknown ones among them": _prefixed("known", "known", _CLASSES)
        | _prefixed("open", "open set", _UNKNOWN),
        "Classes never seen: retrieval and few examples": _prefixed("unseen", "unseen", _RETRIEVAL | _SHOTS),
        "Classes never seen: all pairs of their test images": _prefixed("unseen", "unseen", _PAIRS),
    },
}
SCORES = {
    protocol: {name: score for table in tables.values() for name, score in table.items()}
    for protocol, tables in TABLES.items()
}
# What a terminal has room for.
SHORT = {
    "closed": (
        *("head_accuracy", "center_accuracy", "knn_accuracy", "recall_at_1", "r_precision", "map_at_r"),
        "distance_ratio",
    ),
    "open": (
        *("known_center_accuracy", "unseen_recall_at_1", "unseen_map_at_r", "unseen_eer"),
        *("unseen_5_shot", "open_auroc", "open_oscr"),
    ),
}
# What a loss is compared with softmax by.
HEADLINES = {
    "closed": ("head_accuracy", "center_accuracy", "map_at_r", "tar_at_far_1e-3", "distance_ratio"),
    "open": ("known_center_accuracy", "unseen_map_at_r", "unseen_5_shot", "unseen_eer", "open_auroc"),
}
# What both protocols have, under names of its own: of classes never seen, where the protocol has them.
JUDGED = {
    "closed": {
        "nearest_mean": "center_accuracy",
        "map_at_r": "map_at_r",
        "recall_at_1": "recall_at_1",
        "eer": "eer",
        "tar_at_far_1e-3": "tar_at_far_1e-3",
    },
    "open": {
        "nearest_mean": "known_center_accuracy",
        "map_at_r": "unseen_map_at_r",
        "recall_at_1": "unseen_recall_at_1",
        "eer": "unseen_eer",
        "tar_at_far_1e-3": "unseen_tar_at_far_1e-3",
    },
}
# Of the open protocol: MAP@R and 5-shot accuracy among the unseen classes, AUROC of known against unseen.
_LINE = {
    "closed": ("knn_accuracy", "center_accuracy", "map_at_r"),
    "open": ("unseen_map_at_r", "unseen_5_shot", "open_auroc"),
}


def scores_line(protocol, values):
    """The scores that matter most, in one line.

    Args:
        protocol: `"closed"` or `"open"`.
        values: Dict from a score's name to its value.
    """
    parts = []
    for name in _LINE[protocol]:
        score, value = SCORES[protocol][name], values[name]
        shown = f"{value:.2%}" if score.percent else f"{value:.3f}"
        parts.append(f"{score.title.split(': ')[-1]} {shown}")
    return " · ".join(parts)


def judged_text(protocol, values, role):
    """A score that both protocols have, by its key in `JUDGED`, with its name and unit."""
    name = JUDGED[protocol][role]
    score = SCORES[protocol][name]
    return f"{score.title} {score.text(values[name])}{' %' if score.percent else ''}"
