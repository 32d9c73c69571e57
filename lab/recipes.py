"""What a run is trained with where the command does not say: by its recipe, and by the images.

The recipes differ in what they take: `fast` a third of the passes of `default`, `best` seven times as many, with
augmented images and smoothed labels, and for images of up to 28 pixels with a larger network.
"""

import math

PASSES = {"fast": 1 / 3, "default": 1, "best": 7}  # In those of `default`.
EPOCHS = {"mnist": 3, "fashion_mnist": 4, "digits": 15, "cifar10": 20, "cifar100": 20}  # Of `default`.
IN_A_PLANE = 2  # Times as many for two-dimensional embeddings: each class has to find room between two others.
LEARNING_RATES = {"muon": 0.02, "adamw": 0.004}
QUICK_EPOCHS = 2
SHOWN_IMAGES = 300_000  # About as many training images an epoch has are shown to the network,
FEWEST_EPOCHS, MOST_EPOCHS = 5, 100  # of a data set that has no number of epochs of its own.
SMALL = 28  # Pixels; the networks for images up to it are small ones.
# A mirrored 2 is no 2, and an 8 without a part is a 3; a shoe that points the other way is a shoe.
AUGMENTED = {
    **dict.fromkeys(("mnist", "digits"), ("shift", "rotate")),
    "fashion_mnist": ("shift", "flip", "erase"),
}
OTHERS = ("shift", "erase")  # Of all others: these change the class of hardly any image.
SMOOTHING = 0.1  # Of labels, where a softmax would else go on until it is certain of every one.


def by_recipe(recipe, data, quick, given):
    """Dict of `Settings` by their names.

    Args:
        recipe: Key of `PASSES`.
        data: `Dataset`.
        quick: Whether a part of it will do.
        given: Dict of the `Settings` that the command says; None for what it leaves open.
    """
    passes = PASSES[recipe] * (IN_A_PLANE if given["embedding_dim"] == 2 else 1)
    named, best = data.content is None, recipe == "best"
    optimizer = given["optimizer"] or ("adamw" if given["weights"] else "muon")
    return {
        "epochs": QUICK_EPOCHS if quick else _epochs(data, named, passes),
        "model": ("vgg" if best else "cnn") if max(data.image_shape[:2]) <= SMALL else "resnet",
        "augment": AUGMENTED.get(data.name if named else None, OTHERS) if best else (),
        "label_smoothing": SMOOTHING if best else 0.0,
        "optimizer": optimizer,
        "learning_rate": LEARNING_RATES[optimizer],
    }


def _epochs(data, named, passes):
    epochs = named and EPOCHS.get(data.name)
    epochs = epochs or min(max(FEWEST_EPOCHS, math.ceil(SHOWN_IMAGES / len(data.train))), MOST_EPOCHS)
    return math.ceil(epochs * passes)
