"""Time and memory of the scores that look at all pairs, against scikit-learn's ROC curve over the same pairs.

    python benchmarks/scoring.py

Prints, for some numbers of images, the seconds and the peak memory of: the distances of all pairs with EER, TAR, AUROC
and d'; scikit-learn's `roc_curve` and `roc_auc_score` on the distances of the same pairs; retrieval; silhouette.
Each is measured in a process of its own, in turn, `--rounds` times; the median is shown, and how many times as long
scikit-learn takes.
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
from sklearn.metrics import roc_auc_score, roc_curve
from evaluation.geometry import geometry
from evaluation.retrieval import retrieval
from evaluation.vectors import class_means, l2_normalize
from evaluation.verification import all_pairs, verification
rng = np.random.default_rng(0)
labels = rng.integers(0, 10, {images})
points = rng.normal(size=(10, 64))[labels] + rng.normal(size=({images}, 64))
points = l2_normalize(points.astype("float32"))
def same(labels):
    first, second = np.triu_indices(len(labels), k=1)
    return labels[first] == labels[second]
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
start = time.perf_counter()
{work}
seconds = time.perf_counter() - start
print(seconds, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""
WORK = {
    "verification": "verification(all_pairs(points, labels))",
    "scikit-learn's ROC": "pairs = same(labels), -pdist(points); roc_curve(*pairs); roc_auc_score(*pairs)",
    "retrieval": "retrieval(points, labels)",
    "geometry": "geometry(points, labels, class_means(points, labels))",
}


def measure(work, images):
    """Seconds and bytes of some work in a process of its own."""
    script = START.format(images=images, work=WORK[work])
    output = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    seconds, memory = map(float, output.split())
    return seconds, memory


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", nargs="+", type=int, default=[2000, 5000, 10_000])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    for images in options.images:
        print(f"{images:,} images, {images * (images - 1) // 2:,} pairs")
        found = {work: [] for work in WORK}
        for _ in range(options.rounds):
            for work in WORK:
                found[work].append(measure(work, images))
        for work, measured in found.items():
            seconds = statistics.median(s for s, _ in measured)
            memory = statistics.median(m for _, m in measured)
            print(f"  {work:20} {seconds:7.2f} s  {memory / 1e9:6.2f} GB")
        ours, theirs = (statistics.median(s for s, _ in found[w]) for w in ("verification", "scikit-learn's ROC"))
        print(f"  scikit-learn takes {theirs / ours:.1f} times as long as verification")


if __name__ == "__main__":
    main()
