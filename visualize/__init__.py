"""t-SNE and every other picture. Functions draw on the caller's axes or return a figure; none writes a file."""

from .class_means import class_means_figure
from .confusion import confusion_figure
from .distances import distances_figure, draw_distances
from .features import animation, comparison_features_figure, draw_features, features_figure
from .intervals import intervals_figure
from .maps import HOW_TO_READ, comparison_tsne_figure, draw_tsne, pca_layout, rotated_to, tsne, tsne_figure
from .mistakes import mistakes_figure
from .neighbors import neighbors_figure
from .roc import roc_figure
from .style import class_colors

__all__ = [
    "HOW_TO_READ",
    "animation",
    "class_colors",
    "class_means_figure",
    "comparison_features_figure",
    "comparison_tsne_figure",
    "confusion_figure",
    "distances_figure",
    "draw_distances",
    "draw_features",
    "draw_tsne",
    "features_figure",
    "intervals_figure",
    "mistakes_figure",
    "neighbors_figure",
    "pca_layout",
    "roc_figure",
    "rotated_to",
    "tsne",
    "tsne_figure",
]
