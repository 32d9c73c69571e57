"""Losses that classify by angles: an example worked by hand, random batches, and loops over them."""

import math

import numpy as np

# The cosines are 0.6, 0.8 and -0.6; the length of the embedding is 5.
EMBEDDING = np.array([[3.0, 4.0]])
WEIGHTS = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])

CLASSES, DIM = 4, 3


def with_weights(loss, weights):
    """The loss, with the given class weights."""
    loss.class_weights.assign(np.asarray(weights))
    return loss


def random_batches(count=5, size=20):
    """Pairs of labels and embeddings, and class weights: 4 classes in 3 dimensions, all angles."""
    rng = np.random.default_rng(11)
    for _ in range(count):
        yield rng.integers(0, CLASSES, size), rng.normal(size=(size, DIM)), rng.normal(size=(CLASSES, DIM))


def length(x):
    return math.sqrt(sum(v * v for v in x))


def cosine(x, w):
    return sum(v * u for v, u in zip(x, w, strict=True)) / (length(x) * length(w))


def angle(x, w):
    return math.acos(max(-1.0, min(1.0, cosine(x, w))))


def cross_entropy(rows, labels):
    """Mean cross-entropy of rows of logits, in nats."""
    losses = [math.log(sum(math.exp(z) for z in row)) - row[label] for row, label in zip(rows, labels, strict=True)]
    return sum(losses) / len(losses)


def cosine_softmax_gradients(rows, labels, embeddings, weights, scale):
    """Gradients of the cross-entropy for embeddings and weights, if each logit moves as `scale` * cosine."""
    for_embeddings, for_weights = np.zeros_like(embeddings), np.zeros_like(weights)
    for i, (row, label, x) in enumerate(zip(rows, labels, embeddings, strict=True)):
        for j, w in enumerate(weights):
            probability = math.exp(row[j]) / sum(math.exp(z) for z in row)
            slope = scale * (probability - (j == label)) / len(rows)
            for_embeddings[i] += slope * (w / length(w) - cosine(x, w) * x / length(x)) / length(x)
            for_weights[j] += slope * (x / length(x) - cosine(x, w) * w / length(w)) / length(w)
    return for_embeddings, for_weights


def target_logit(loss, cosine, size=1.0):
    """Logit of the sample's own class, margin included, read off the value of a loss of 2 classes in 3 dimensions.

    The other class is at a right angle, so that its logit is 0.
    """
    with_weights(loss, [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    embedding = size * np.array([[cosine, math.sqrt(1 - cosine**2), 0.0]])
    return -math.log(math.expm1(float(loss(np.array([0]), embedding))))
