"""Which of many classes the pictures tell apart: the same ones in all of them."""

import numpy as np

TOLD_APART = 20  # Classes: of more, pictures show some.
ENOUGH = 10  # Test and validation images: of classes with fewer there is little to see.
SEED = 0


def colored_classes(data):
    """Numbers of the classes that pictures tell apart, by the names that a `Dataset` shows; None: of few, all.

    A seeded choice of those with enough images, of those trained on and of those never seen: ascending, 20 of each, or
    10 where a map shows both.
    """
    groups = [_fewest(data.num_classes, [split for split in (data.test, data.validation) if len(split)])]
    if data.unseen is not None:
        groups.append(_fewest(len(data.unseen_names), [data.unseen]))
    if sum(map(len, groups)) <= TOLD_APART:
        return None
    each = TOLD_APART // 2 if len(groups) > 1 and len(data.test) else TOLD_APART
    known, *unseen = (_seeded_choice(counts, each) for counts in groups)
    return np.concatenate([known, *(chosen + data.num_classes for chosen in unseen)])


def _fewest(num_classes, splits):
    """The images of each class in the `Split` that has fewest of it."""
    return np.min([np.bincount(split.labels, minlength=num_classes) for split in splits], axis=0)


def _seeded_choice(counts, number):
    """Numbers of some classes with enough images; where there are fewer such, also of those with the most."""
    shuffled = np.random.default_rng(SEED).permutation(len(counts))
    return np.sort(shuffled[np.argsort(-np.minimum(counts[shuffled], ENOUGH), kind="stable")[:number]])
