"""Time and memory of the scores that look at all pairs, beside what other libraries take for the same.

    pip install -r benchmarks/requirements.txt
    python benchmarks/scoring.py
    python benchmarks/scoring.py --images 15000 30000 60000 --rounds 1 --alone
    python benchmarks/scoring.py --images 60000 --classes 100 1000 10000 --rounds 1 --alone
    python benchmarks/scoring.py --dims 64 256 1024 --rounds 1 --alone

Prints, for some numbers of images, classes and dimensions, the seconds and the peak memory of: the distances of all
pairs with EER, TAR, AUROC and d'; retrieval; accuracies by the nearest mean and by neighbours, and by one example of
each class in 100 draws; silhouette; distances and angles of class means with the other shapes. Beside them, on the same
embeddings: scikit-learn's `roc_curve` with `roc_auc_score` on the distances of the same pairs, and its silhouette;
recall@1, R-precision and MAP@R by the `AccuracyCalculator` of pytorch-metric-learning, which searches with faiss.

Matrix products have one thread and NumPy is set up as in `main.py`, on all sides. Each is measured in a process of its
own, in turn, `--rounds` times: medians are shown, of the seconds of CPU of all threads, which other programs disturb
least, and of those by the clock; then how many times as long the others take. The memory is that of the whole process
at its highest, Python and the libraries included. The last lines have exponents: what the CPU seconds grow with from
the smallest to the largest of several sizes.
"""

import argparse
import itertools
import math
import os
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[1]
START = """
import lab.startup
import resource, time
import numpy as np
from threadpoolctl import threadpool_limits
from evaluation.classification import few_shot_accuracies, knn_accuracy, nearest_mean
from evaluation.geometry import class_distances, geometry, silhouette
from evaluation.retrieval import retrieval
from evaluation.vectors import class_means, l2_normalize
from evaluation.verification import all_pairs, verification
rng = np.random.default_rng(0)
labels = rng.permutation(np.arange({images}) % {classes})
points = rng.normal(size=({classes}, {dims})).astype("float32")[labels]
points += rng.normal(size=points.shape).astype("float32")
points = l2_normalize(points)
{imports}
with threadpool_limits(1, "blas"):
    began, used = time.perf_counter(), time.process_time()
    {work}
used, seconds = time.process_time() - used, time.perf_counter() - began
print(used, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
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
# What others do as well: the library, what it imports, its work.
OTHERS = {
    "verification": (
        "scikit-learn",
        "from scipy.spatial.distance import pdist; from sklearn.metrics import roc_auc_score, roc_curve",
        (
            "first, second = np.triu_indices(len(labels), k=1); "
            "pairs = labels[first] == labels[second], -pdist(points); roc_curve(*pairs); roc_auc_score(*pairs)"
        ),
    ),
    "retrieval": (
        "pytorch-metric-learning",
        "from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator; import torch",
        (
            "AccuracyCalculator(('precision_at_1', 'r_precision', 'mean_average_precision_at_r'))"
            ".get_accuracy(torch.tensor(points), torch.tensor(labels))"
        ),
    ),
    "silhouette": ("scikit-learn", "from sklearn.metrics import silhouette_score", "silhouette_score(points, labels)"),
}


def measure(imports, work, size):
    """CPU seconds, seconds and bytes of some work in a process of its own."""
    script = START.format(imports=imports, work=work, **size)
    output = subprocess.run([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return tuple(map(float, output.stdout.split()))


def medians(tasks, size, rounds):
    """Dict from the names of tasks, each imports and work, to the medians of what `measure` gives, taken in turn."""
    found = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            found[name].append(measure(*task, size))
    return {name: tuple(map(statistics.median, zip(*measured, strict=True))) for name, measured in found.items()}


def show_growth(sizes, found):
    """Prints the exponents of the CPU seconds, for each size that differs."""
    first, last = sizes[0], sizes[-1]
    for name in (name for name in first if first[name] != last[name]):
        print(f"exponents of the CPU seconds with {name}, {first[name]:,} to {last[name]:,}:")
        for work in WORK:
            growth = math.log(found[-1][work][0] / found[0][work][0]) / math.log(last[name] / first[name])
            print(f"  {work:16}{growth:5.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", nargs="+", type=int, default=[10_000], help="give several of one kind alone")
    parser.add_argument("--classes", nargs="+", type=int, default=[10])
    parser.add_argument("--dims", nargs="+", type=int, default=[64], help="of the embeddings")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--alone", action="store_true", help="without the other libraries")
    options = parser.parse_args()
    tasks = {name: ("", work) for name, work in WORK.items()}
    others = {} if options.alone else {f"{name}, {other[0]}": other[1:] for name, other in OTHERS.items()}
    sizes = [
        dict(zip(("images", "classes", "dims"), size, strict=True))
        for size in itertools.product(options.images, options.classes, options.dims)
    ]
    found = []
    for size in sizes:
        print(", ".join(f"{number:,} {name}" for name, number in size.items()) + f"; load {os.getloadavg()[0]:.1f}")
        found.append(medians(tasks | others, size, options.rounds))
        for name, (cpu, seconds, memory) in found[-1].items():
            print(f"  {name:40}{cpu:8.2f} s of CPU {seconds:8.2f} s {memory / 1e9:6.2f} GB")
        for name, (library, *_) in OTHERS.items() if others else ():
            ratios = [t / o for t, o in zip(found[-1][f"{name}, {library}"], found[-1][name], strict=True)]
            print(f"  {library} takes {ratios[0]:.1f} times the CPU, {ratios[1]:.1f} times as long as {name}")
    if len(sizes) > 1:
        show_growth(sizes, found)


if __name__ == "__main__":
    main()
