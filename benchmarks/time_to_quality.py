"""Seconds of training until the nearest training image is of a test image's class, here and elsewhere.

    pip install -r benchmarks/requirements.txt
    python benchmarks/time_to_quality.py [--seeds 0 1 2]

On MNIST. Here, by the loss `triplet`, the learning rate follows a cosine over the whole training: what counts are
complete trainings, from part of an epoch on, up to the first that reaches a mark. `muon` is the default, `adamw` the
one before it, of twice as many epochs. Elsewhere it is the example for MNIST of pytorch-metric-learning, its network
and its numbers, written anew, looked at after every epoch.

All train on the same 55,000 images, which are the gallery of the 10,000 test images; embeddings are L2-normalised. Here
the seconds are all of `train`, compiling and validation after each epoch included; elsewhere those of the steps alone.
A mark that is not reached takes `inf`.
"""

import argparse
import concurrent.futures
import multiprocessing
import os
import pathlib
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from lab.startup import hidden_start_up_noise

with hidden_start_up_noise():
    import torch
    from pytorch_metric_learning import distances, losses, miners, reducers
    from torch import nn

    from data import load_dataset
    from evaluation.classification import knn_accuracy
    from evaluation.vectors import l2_normalize
    from lab.batches import stratified_sample
    from lab.health import Health
    from lab.machine import choose_precision, device
    from lab.recipes import by_recipe
    from lab.settings import Settings
    from lab.training import train
    from models import build_model

MARKS = 98.5, 99.0, 99.3  # Per cent.
LENGTHS = {"muon": (0.25, 0.5, 1, 2, 3), "adamw": (0.5, 1, 2, 3, 4, 6)}  # Epochs.
OTHER = "pytorch-metric-learning"


def own(data, seed, optimizer):
    """Yields the epochs of complete trainings, shorter ones first, the seconds of each, and what embeds with it."""
    given = {"optimizer": optimizer, "weights": None, "embedding_dim": Settings.embedding_dim}
    recipe = by_recipe("default", data, quick=False, given=given)
    for epochs in LENGTHS[optimizer]:
        seen = data.train[stratified_sample(data.train.labels, int(min(epochs, 1) * len(data.train)), seed)]
        values = recipe | {"epochs": max(1, epochs), "precision": choose_precision("auto")[0]}
        settings = Settings(data.name, "triplet", seed, **values)
        model = build_model(settings, data.image_shape, data.num_classes)
        taken = seconds(train, model, seen, Health(data.validation, settings))
        yield epochs, taken, model.embed


def other(data, seed, most):
    """Yields the same after each epoch of one training."""
    torch.manual_seed(seed)
    network = nn.Sequential(
        *(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Dropout2d(0.25), nn.Flatten(), nn.Linear(9216, 128)),
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    distance = distances.CosineSimilarity()
    mine = miners.TripletMarginMiner(margin=0.2, distance=distance, type_of_triplets="semihard")
    loss = losses.TripletMarginLoss(margin=0.2, distance=distance, reducer=reducers.ThresholdReducer(low=0))
    images, labels = scaled(data.train.images), torch.tensor(data.train.labels)

    def epoch():
        network.train()
        for batch in torch.randperm(len(labels)).split(256):
            optimizer.zero_grad()
            embeddings = network(images[batch])
            loss(embeddings, labels[batch], mine(embeddings, labels[batch])).backward()
            optimizer.step()

    def embed(images):
        network.eval()
        with torch.no_grad():
            return torch.cat([network(part) for part in scaled(images).split(1000)]).numpy()

    total = 0, 0
    for number in range(most):
        total = tuple(map(sum, zip(total, seconds(epoch), strict=True)))
        yield number + 1, total, embed


def scaled(images):
    return (torch.tensor(images).permute(0, 3, 1, 2) / 255 - 0.1307) / 0.3081


def seconds(function, *arguments):
    """CPU seconds, of all threads, and seconds by the clock."""
    began, used = time.perf_counter(), time.process_time()
    function(*arguments)
    return time.process_time() - used, time.perf_counter() - began


def reached(name, seed, most):
    """Dict from each mark to the epochs, CPU seconds and seconds until it was reached, endless if it was not."""
    data = load_dataset("mnist")
    steps = other(data, seed, most) if name == OTHER else own(data, seed, name)
    found = dict.fromkeys(MARKS, (float("inf"),) * 3)
    for epochs, taken, embed in steps:
        train_embeddings, test_embeddings = (l2_normalize(embed(part.images)) for part in (data.train, data.test))
        share = 100 * knn_accuracy(train_embeddings, data.train.labels, test_embeddings, data.test.labels, neighbors=1)
        print(
            f"{name:24} seed {seed} {epochs:5} epochs {taken[0]:7.1f} s of CPU {taken[1]:7.1f} s {share:6.2f} %",
            flush=True,
        )
        found |= {mark: (epochs, *taken) for mark in MARKS if share >= mark and found[mark][0] == float("inf")}
        if found[MARKS[-1]][0] < float("inf"):
            break
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", choices=(*LENGTHS, OTHER), default=(*LENGTHS, OTHER), metavar="NAME")
    parser.add_argument("--most", type=int, default=6, help="epochs of the other one, which takes minutes an epoch")
    options = parser.parse_args()
    print(f"{device()}; load of other programs {os.getloadavg()[0]:.1f}")
    found = {name: [] for name in options.only}
    # A process for each: PyTorch is a third slower where threads of TensorFlow wait.
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, spawn, max_tasks_per_child=1) as pool:
        for seed in options.seeds:
            for name, of_seeds in found.items():
                of_seeds.append(pool.submit(reached, name, seed, options.most).result())
    default = options.only[0]
    for mark in MARKS:
        print(f"{mark} %: medians of {len(options.seeds)} seeds")
        medians = {
            name: [statistics.median(values) for values in zip(*(of_seed[mark] for of_seed in of_seeds), strict=True)]
            for name, of_seeds in found.items()
        }
        for name, (epochs, cpu, clock) in medians.items():
            ratios = f"{cpu / medians[default][1]:.1f} times the CPU, {clock / medians[default][2]:.1f} times as long"
            print(f"  {name:24}{epochs:6} epochs {cpu:7.1f} s of CPU {clock:7.1f} s: {ratios}")


if __name__ == "__main__":
    main()
