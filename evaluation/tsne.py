"""t-SNE: embeddings as points in the plane."""

import numpy as np
from scipy.linalg import orthogonal_procrustes
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE


def tsne(embeddings, layout=None, perplexity=30.0, iterations=1000, seed=0, exaggeration=12.0):
    """Two-dimensional t-SNE coordinates of some embeddings.

    Args:
        embeddings: `(n, d)`, d at least 2; distances are Euclidean.
        layout: First layout `(n, 2)`: give all embeddings of the same images the same one, so that their pictures
            compare. If None, a PCA of the embeddings.
        perplexity: Effective number of neighbours, below n.
        iterations: Number of gradient steps, at least 300: the first 250 are early exaggeration, and
            the divergence is known only after them.
        seed: Random state.
        exaggeration: Of the attraction in the first 250 steps.

    Returns:
        Coordinates `(n, 2)` and the Kullback-Leibler divergence they end at.

    Reference:
        van der Maaten and Hinton, Visualizing data using t-SNE, JMLR 2008.
    """
    model = TSNE(
        init=pca_layout(embeddings) if layout is None else layout, perplexity=perplexity,
        early_exaggeration=exaggeration, max_iter=iterations, random_state=seed, n_jobs=1,
    )  # fmt: skip
    return model.fit_transform(np.asarray(embeddings)), float(model.kl_divergence_)


def pca_layout(embeddings):
    """First two principal components `(n, 2)`, scaled to the small spread that t-SNE starts from."""
    with np.errstate(invalid="ignore"):  # Where all are equal, no share of the variance is explained.
        layout = PCA(2, random_state=0).fit_transform(embeddings)
    return (layout / (layout[:, 0].std() or 1) * 1e-4).astype(np.float32)


def rotated_to(coordinates, reference):
    """Coordinates, centred and rotated or mirrored to lie as the same points do in another picture."""
    centered = coordinates - coordinates.mean(axis=0)
    rotation, _ = orthogonal_procrustes(centered, reference - reference.mean(axis=0))
    return centered @ rotation
