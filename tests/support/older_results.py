"""A results folder of the version whose runs kept no `mistake_images`: its JSON files, and small arrays."""

import numpy as np
from support.runs import ARRAYS

from lab.files import save_arrays, save_text

CENTER_CONFIG = """\
{"settings": {"dataset": "digits", "loss": "center", "seed": 0, "epochs": 15, "protocol": "closed", "split": null,
"embedding_dim": 64, "model": "cnn", "embedding_init": "glorot", "sampler": "balanced", "augment": false,
"learning_rate": 0.004, "overrides": {}, "sweep": null, "precision": "mixed_bfloat16", "perplexity": 30.0,
"tsne_iterations": 1000, "quick": false}, "command": "python main.py --dataset digits"}
"""
CENTER_METRICS = """\
{"dataset": "digits", "protocol": "closed", "split": null, "quick": false, "class_names": ["0", "1", "2", "3", "4",
"5", "6", "7", "8", "9"], "judged_names": ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"], "loss": "center",
"seed": 0, "epochs": 15, "status": "finished", "failure": null, "best_epoch": 15,
"validation_map_at_r": 0.9679045343298719, "timing": {"train_seconds": 5.061348718000033,
"images_per_second": 2845.091457300355, "stages": {"embedding": 0.19714939800002185, "scoring": 0.021113667000008718,
"t-SNE": 2.9693244569999706, "drawing": 0.8173869240000045, "film": 2.04736314500002,
"TensorBoard": 0.025801322999996046}, "total_seconds": 11.57598062400001}, "test": {"head_accuracy": 0.99,
"center_accuracy": 0.9925, "knn_accuracy": 0.9925, "recall_at_1": 0.995, "r_precision": 0.9715819838056676,
"map_at_r": 0.9668838522395923, "eer": 0.011805883496763798, "tar_at_far_1e-2": 0.9867982568572161,
"tar_at_far_1e-3": 0.9146372724942322, "pair_auroc": 0.9986242523869133, "d_prime": 5.393972684796564,
"intra_distance": 0.2764075994491577, "inter_distance": 1.355495572090149, "distance_ratio": 0.2039162665605545,
"norm_mean": 7.6536688804626465, "norm_deviation": 1.3251889944076538, "silhouette": 0.644970715045929,
"effective_rank": 17.318605422973633, "mean_angle": 90.15860748291016, "smallest_angle": 68.97052001953125},
"thresholds": {"equal_error": {"distance": 0.9804412722587585, "test_far": 0.014708741909497487,
"test_tar": 0.9893617021276596}, "far_1e-2": {"distance": 0.946526050567627, "test_far": 0.010569738048279119,
"test_tar": 0.9875672904383491}, "far_1e-3": {"distance": 0.653764545917511, "test_far": 0.0007083530098058279,
"test_tar": 0.8895155088438862}}, "tsne": {"n": 400, "perplexity": 30.0, "iterations": 1000, "seed": 0,
"kl_divergence": 0.10835468769073486, "neighbor_preservation": 0.7295, "seconds": 1.1736578729999678},
"tsne_train": {"n": 1197, "perplexity": 30.0, "iterations": 1000, "seed": 0, "kl_divergence": 0.4300153851509094,
"neighbor_preservation": 0.604093567251462, "seconds": 2.956644455000003}}
"""
TRIPLET_CONFIG = """\
{"settings": {"dataset": "digits", "loss": "triplet", "seed": 0, "epochs": 2, "protocol": "closed", "split": null,
"embedding_dim": 64, "model": "cnn", "embedding_init": "glorot", "sampler": "balanced", "augment": false,
"learning_rate": 0.004, "overrides": {"triplet_weight": 1e+38}, "sweep": null, "precision": "mixed_bfloat16",
"perplexity": 30.0, "tsne_iterations": 300, "quick": false}, "command": "python main.py --dataset digits"}
"""
TRIPLET_METRICS = """\
{"dataset": "digits", "protocol": "closed", "split": null, "quick": false, "class_names": ["0", "1", "2", "3", "4",
"5", "6", "7", "8", "9"], "judged_names": ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"], "loss": "triplet",
"seed": 0, "epochs": 2, "status": "failed",
"failure": "diverged: the loss is nan in epoch 1. Known remedies: a lower --learning-rate, --precision float32, a \
smaller weight, scale or margin of the loss with --set."}
"""
PIXELS_CONFIG = """\
{"settings": {"dataset": "digits", "protocol": "closed", "split": null, "perplexity": 30.0, "tsne_iterations": 1000,
"quick": false}, "command": "python main.py --dataset digits"}
"""
PIXELS_METRICS = """\
{"dataset": "digits", "protocol": "closed", "split": null, "quick": false, "class_names": ["0", "1", "2", "3", "4",
"5", "6", "7", "8", "9"], "judged_names": ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"], "loss": "raw_pixels",
"status": "finished", "test": {"head_accuracy": null, "center_accuracy": 0.8975, "knn_accuracy": 0.9725,
"recall_at_1": 0.975, "r_precision": 0.5819655026990552, "map_at_r": 0.5157701110574147, "eer": 0.2285311458600358,
"tar_at_far_1e-2": 0.3895155088438862, "tar_at_far_1e-3": 0.19828249166880288, "pair_auroc": 0.8551874249561704,
"d_prime": 1.5321651829562795, "intra_distance": 0.41844895482063293, "inter_distance": 0.5362933874130249,
"distance_ratio": 0.7802612781524658, "norm_mean": 11.57315444946289, "norm_deviation": 0.9125116467475891,
"silhouette": 0.15639135241508484, "effective_rank": 38.6732177734375, "mean_angle": 34.346092224121094,
"smallest_angle": 21.666818618774414}, "thresholds": {"equal_error": {"distance": 0.7092719078063965,
"test_far": 0.21140865024028446, "test_tar": 0.7594206613688798}, "far_1e-2": {"distance": 0.5265275239944458,
"test_far": 0.00955582099502764, "test_tar": 0.3859266854652653}, "far_1e-3": {"distance": 0.43777480721473694,
"test_far": 0.000986138503847329, "test_tar": 0.19776980261471416}}, "tsne": {"n": 400, "perplexity": 30.0,
"iterations": 1000, "seed": 0, "kl_divergence": 0.5408422946929932, "neighbor_preservation": 0.68875,
"seconds": 1.1662963290000334}, "tsne_train": {"n": 1197, "perplexity": 30.0, "iterations": 1000, "seed": 0,
"kl_divergence": 0.6287692189216614, "neighbor_preservation": 0.6116123642439432, "seconds": 4.614948468000023},
"timing": {"stages": {"scoring": 1.3368114319999904, "t-SNE": 4.695046533999971},
"total_seconds": 6.0319003289999955}}
"""

EVERY_RUN = (
    *("tsne_test", "tsne_test_labels", "tsne_indices", "tsne_train", "tsne_train_labels", "tsne_train_indices"),
    *("test_labels", "test_predictions", "test_errors", "class_means", "same_pairs", "different_pairs"),
    *("roc_fars", "roc_tars", "strip_images", "strip_labels"),
)
OF_A_LOSS = {
    "test_embeddings": ARRAYS["test_embeddings"],
    "tsne_mistakes": np.arange(20) == 3,
    "directions": np.eye(10, 64)[:, None],
    "centers": np.eye(10, 64),
}
OF_PIXELS = {
    "tsne_test_layout": ARRAYS["tsne_test"],
    "tsne_train_layout": ARRAYS["tsne_train"],
    "queries": np.arange(10),
}


def write_older_results(path):
    """Writes the folder of a data set: raw pixels, center, and triplet, which failed."""
    shared = {name: ARRAYS[name] for name in EVERY_RUN}
    runs = {
        "center/seed-0": (CENTER_CONFIG, CENTER_METRICS, shared | OF_A_LOSS),
        "triplet/seed-0": (TRIPLET_CONFIG, TRIPLET_METRICS, None),
        "raw_pixels": (PIXELS_CONFIG, PIXELS_METRICS, shared | OF_PIXELS),
    }
    for folder, (config, metrics, arrays) in runs.items():
        (path / folder).mkdir(parents=True)
        save_text(path / folder / "config.json", config)
        save_text(path / folder / "metrics.json", metrics)
        if arrays:
            save_arrays(path / folder / "embeddings.npz", arrays)
