"""Whether an average of the weights along a training does better than those of the best epoch, on validation images.

    python benchmarks/averaging.py [--dataset fashion_mnist] [--recipe default] [--losses softmax triplet] [--seeds 3]

Exponential averages of the embedder's weights, over 3, 10 and 30 % of all steps, taken along one and the same training,
which they do not change: its learning rate falls to zero, as always. `kept` is what a command keeps: the epoch with the
best MAP@R on the very images they are compared on, a choice that the averages do not have. Printed are the means of the
seeds and, behind them, the mean differences to `kept` with their 95 % intervals.
"""

import argparse
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from lab.startup import hidden_start_up_noise

with hidden_start_up_noise():
    import keras

    from data import load_dataset
    from evaluation.classification import nearest_mean
    from evaluation.retrieval import retrieval
    from evaluation.significance import interval
    from evaluation.vectors import class_means, l2_normalize
    from lab.backends import backend
    from lab.health import Health
    from lab.machine import choose_precision, device
    from lab.recipes import PASSES, by_recipe
    from lab.settings import Settings
    from lab.training import train
    from models import build_model

SHARES = 0.03, 0.1, 0.3  # Of all steps, that an average has as its horizon.


class Averages(keras.callbacks.Callback):
    """Follows the embedder's weights by exponential averages: `weights` has a list of arrays by the share."""

    def __init__(self):
        super().__init__()
        self.weights = {}

    def on_train_batch_end(self, batch, logs=None):
        now = self.model.embedder.get_weights()
        for share in SHARES:
            old = self.weights.setdefault(share, [weight.copy() for weight in now])
            steps = share * self.params["epochs"] * self.params["steps"]
            rate = min(1, backend().steps_per_call / steps)  # This is called once for so many steps.
            for average, weight in zip(old, now, strict=True):
                average += rate * (weight - average)


def judged(embed, split):
    """MAP@R, and per cent of the images that are nearest to the mean of their own class, of these images."""
    embeddings = l2_normalize(embed(split.images))
    right = nearest_mean(embeddings, class_means(embeddings, split.labels)) == split.labels
    return retrieval(embeddings, split.labels)["map_at_r"], 100 * right.mean()


def scores(data, recipe, loss, seed):
    """Dict from what was kept and from each share to its scores on the validation images."""
    given = {"optimizer": None, "weights": None, "embedding_dim": Settings.embedding_dim}
    values = by_recipe(recipe, data, quick=False, given=given)
    values |= {"both_sides": "flip" in values["augment"], "precision": choose_precision("auto")[0]}
    settings = Settings(data.name, loss, seed, **values)
    model = build_model(settings, data.image_shape, data.num_classes)
    averages = Averages()
    train(model, data.train, Health(data.validation, settings), [averages])
    found = {"kept": judged(model.embed, data.validation)}
    for share, weights in averages.weights.items():
        model.embedder.set_weights(weights)
        found[f"{share:.0%} of all steps"] = judged(model.embed, data.validation)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="fashion_mnist")
    parser.add_argument("--recipe", default="default", choices=PASSES)
    parser.add_argument("--losses", nargs="+", default=["softmax", "triplet"])
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    data = load_dataset(options.dataset)
    print(f"{options.dataset}, recipe {options.recipe}, {options.seeds} seeds; {device()}")
    for loss in options.losses:
        found = [scores(data, options.recipe, loss, seed) for seed in range(options.seeds)]
        for name in found[0]:
            line = f"{loss:10} {name:20}"
            for number, digits in enumerate((4, 2)):
                values = [seed[name][number] for seed in found]
                gained = [value - seed["kept"][number] for value, seed in zip(values, found, strict=True)]
                mean, over = sum(values) / len(values), interval(gained)
                line += f"  {mean:.{digits}f} ({over.mean:+.{digits}f} ± {over.half_width:.{digits}f})"
            print(line, flush=True)


if __name__ == "__main__":
    main()
