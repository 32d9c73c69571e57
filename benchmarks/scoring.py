"""Time and memory of the scores that look at all pairs, against scikit-learn's ROC curve over the same pairs.

    python benchmarks/scoring.py
    python benchmarks/scoring.py --images 60000 --classes 10000 --rounds 1 --without-scikit-learn

Prints, for some numbers of images, the seconds and the peak memory of: the distances of all pairs with EER, TAR, AUROC
and d'; retrieval; accuracies by the nearest mean and by neighbours, and by one example of each class in 100 draws;
silhouette; distances and angles of class means with the other shapes; and of scikit-learn, `roc_curve` with
`roc_auc_score` on the distances of the same pairs, and its silhouette. Each is measured in a process of its own, in
turn, `--rounds` times; the median is shown, and how many times as long scikit-learn takes. The memory is that of the
whole process at its highest, Python, NumPy and scikit-learn included.
"""

import argparse
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[1]
START = """
import resource, time
import numpy as np
from scipy.spatial.distance import pdist
from sklearn.metrics import roc_auc_score, roc_curve, silhouette_score
from evaluation.classification import few_shot_accuracies, knn_accuracy, nearest_mean
from evaluation.geometry import class_distances, geometry, silhouette
from evaluation.retrieval import retrieval
from evaluation.vectors import class_means, l2_normalize
from evaluation.verification import all_pairs, verification
rng = np.random.default_rng(0)
labels = rng.permutation(np.arange({images}) % {classes})
points = rng.normal(size=({classes}, 64)).astype("float32")[labels] + rng.normal(size=({images}, 64)).astype("float32")
points = l2_normalize(points)
def same(labels):
    first, second = np.triu_indices(len(labels), k=1)
    return labels[first] == labels[second]
start = time.perf_counter()
{work}
seconds = time.perf_counter() - start
print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""
WORK = {
    "verification": "verification(all_pairs(points, labels))",
    "retrieval": "retrieval(points, labels)",
    "accuracies": (
        "nearest_mean(points, class_means(points, labels)); knn_accuracy(points, labels, points[::6], labels[::6])"
    ),
    "few shots": "few_shot_accuracies(points, labels, 1, 100, seed=0)",
    "silhouette": "silhouette(points, labels)",
    "geometry": (
        "means = class_means(points, labels); geometry(points, labels, means); class_distances(points, labels, means)"
    ),
}
SCIKIT_LEARN = {  # Of what it does as well.
    "verification": "pairs = same(labels), -pdist(points); roc_curve(*pairs); roc_auc_score(*pairs)",
    "silhouette": "silhouette_score(points, labels)",
}


def measure(work, images, classes):
    """Seconds and bytes of some work in a process of its own."""
    script = START.format(images=images, classes=classes, work=work)
    output = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    seconds, memory = map(float, output.split())
    return seconds, memory


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", nargs="+", type=int, default=[2000, 5000, 10_000])
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--without-scikit-learn", action="store_true")
    options = parser.parse_args()
    theirs = (
        {} if options.without_scikit_learn else {f"{name} (scikit-learn)": SCIKIT_LEARN[name] for name in SCIKIT_LEARN}
    )
    for images in options.images:
        print(f"{images:,} images of {options.classes:,} classes, {images * (images - 1) // 2:,} pairs")
        found = {name: [] for name in WORK | theirs}
        for _ in range(options.rounds):
            for name, work in (WORK | theirs).items():
                found[name].append(measure(work, images, options.classes))
        seconds = {name: statistics.median(s for s, _ in measured) for name, measured in found.items()}
        for name, measured in found.items():
            memory = statistics.median(m for _, m in measured)
            print(f"  {name:28} {seconds[name]:7.2f} s  {memory / 1e9:6.2f} GB")
        for name in SCIKIT_LEARN if theirs else ():
            ratio = seconds[f"{name} (scikit-learn)"] / seconds[name]
            print(f"  scikit-learn takes {ratio:.1f} times as long as {name}")


if __name__ == "__main__":
    main()
