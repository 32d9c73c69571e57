"""How fast the default network trains under a loss, beside PyTorch with the losses of pytorch-metric-learning.

    pip install -r benchmarks/requirements.txt
    python benchmarks/beside_pytorch.py [--rounds 3]

All take batches of 240 of the same images of MNIST, making them included, in turn, several times over: compare the
ratios, not the absolute numbers. `muon` is the training here as it is by default, `adamw` the same with the optimizer
that PyTorch has as well. PyTorch runs step by step, channels last, with its autocast and its fused AdamW, in a process
of its own: beside threads of TensorFlow it is a third slower. Softmax and center loss, which pytorch-metric-learning
lacks, are written plainly. Here triplet loss takes the nearest semi-hard negative of each pair, there all of them.
"""

import argparse
import concurrent.futures
import functools
import multiprocessing
import os
import pathlib
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from lab.startup import hidden_start_up_noise

with hidden_start_up_noise():
    import torch
    from pytorch_metric_learning import distances, losses, miners
    from time_to_quality import seconds
    from torch import nn
    from training_throughput import fit

    from data import load_dataset
    from lab.batches import Batches
    from lab.machine import device
    from lab.training import WEIGHT_DECAY

STEPS, CLASSES, DIM = 32, 10, 64
OTHER = "PyTorch"


class Softmax(nn.Linear):
    def __init__(self):
        super().__init__(DIM, CLASSES)

    def forward(self, embeddings, labels):
        return nn.functional.cross_entropy(super().forward(embeddings), labels)


class Center(Softmax):
    def __init__(self):
        super().__init__()
        self.centers = nn.Parameter(torch.zeros(CLASSES, DIM))

    def forward(self, embeddings, labels):
        distances = (embeddings - self.centers[labels]).square().sum(dim=1)
        return super().forward(embeddings, labels) + 0.01 * 0.5 * distances.mean()


class Triplet(Softmax):
    def __init__(self):
        super().__init__()
        squared = distances.LpDistance(power=2)
        self.mine = miners.TripletMarginMiner(margin=0.2, distance=squared, type_of_triplets="semihard")
        self.triplet = losses.TripletMarginLoss(margin=0.2, distance=squared)

    def forward(self, embeddings, labels):
        mined = self.mine(embeddings, labels)
        return super().forward(embeddings, labels) + self.triplet(embeddings, labels, mined)


LOSSES = {
    "softmax": Softmax,
    "center": Center,
    "arcface": functools.partial(losses.ArcFaceLoss, CLASSES, DIM, scale=20),
    "triplet": Triplet,
}


def convolution(channels, filters, size, stride=1):
    convolution = nn.Conv2d(channels, filters, size, stride, padding=size // 2, bias=False)
    return convolution, nn.BatchNorm2d(filters), nn.ReLU()


@functools.cache
def fit_torch(policy, name):
    """Returns a function that trains for one epoch."""
    batches = make_batches()
    torch.manual_seed(0)
    pool = nn.MaxPool2d(2, ceil_mode=True)
    network = nn.Sequential(
        *(*convolution(1, 32, 5, stride=2), pool, nn.Dropout(0.1)),
        *(*convolution(32, 64, 3), *convolution(64, 64, 3), pool, nn.Dropout(0.1)),
        *(*convolution(64, 128, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2)),
    ).to(memory_format=torch.channels_last)
    embedding, loss = nn.Linear(128, DIM), LOSSES[name]()
    parameters = [weight for module in (network, embedding, loss) for weight in module.parameters()]
    optimizer = torch.optim.AdamW(parameters, 1e-3, weight_decay=WEIGHT_DECAY, fused=True)

    def epoch():
        for step in range(len(batches)):
            images, labels = map(torch.from_numpy, batches[step])
            with torch.autocast("cpu", torch.bfloat16, enabled=policy == "mixed_bfloat16"):
                features = network(images.permute(0, 3, 1, 2) / 255)
            optimizer.zero_grad()
            loss(embedding(features.float()), labels.long()).backward()
            optimizer.step()

    return epoch


def make_batches():
    return Batches(load_dataset("mnist").train[: 240 * STEPS], seed=0)


def torch_seconds(policy, name):
    return seconds(fit_torch(policy, name))


def measures(batches, policy, name, pool):
    """Dict from each way to a function that trains for one epoch; the function returns its seconds."""
    ways = {way: fit(batches, policy, loss=name, optimizer=way) for way in ("muon", "adamw")}
    own = {way: functools.partial(seconds, train) for way, train in ways.items()}
    return own | {OTHER: lambda: pool.submit(torch_seconds, policy, name).result()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    batches = make_batches()
    count = len(batches) * len(batches[0][1])
    print(f"{device()}; load of other programs {os.getloadavg()[0]:.1f}")
    pool = concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
    for policy in ("mixed_bfloat16", "float32"):
        for name in LOSSES:
            ways = measures(batches, policy, name, pool)
            taken = [{way: measure() for way, measure in ways.items()} for _ in range(1 + rounds)][1:]  # One compiles.
            for way in ways:
                cpu, clock = (count / statistics.median(times) for times in zip(*(t[way] for t in taken), strict=True))
                ratios = [statistics.median(t[OTHER][kind] / t[way][kind] for t in taken) for kind in range(2)]
                print(
                    f"{policy:16}{name:9}{way:9}{cpu:8,.0f} images/s of CPU {clock:8,.0f} images/s: "
                    f"{ratios[0]:.2f} and {ratios[1]:.2f} times as fast as {OTHER}",
                    flush=True,
                )
    pool.shutdown()


if __name__ == "__main__":
    main()
