"""Which images of known classes is a new one most like? A picture."""

import numpy as np

from evaluation.vectors import nearest
from lab.figures.neighbors import similar_pages
from lab.figures.style import as_png
from lab.sources.found import shown
from lab.sources.images import read_images

MOST_QUERIES = 24


def similar_pictures(trained, paths, points, references, count):
    """Dict from file names to PNGs: the first images, each beside the `count` most similar of some `References`."""
    paths, points = paths[:MOST_QUERIES], points[:MOST_QUERIES]
    count = min(count, len(references.points))
    numbers, distances = nearest(points, references.points, count)
    queries = np.stack(list(read_images(paths, trained.image_shape)))
    found = references.images(numbers.ravel()).reshape(len(paths), count, *trained.image_shape)
    pages = similar_pages(
        f"{trained.title}: the {count} most similar {references.what}",
        names=[shown(path.name) for path in paths],
        images=np.concatenate([queries[:, None], found], axis=1),
        classes=[[references.class_names[label] for label in row] for row in references.labels[numbers]],
        distances=distances,
    )
    if len(pages) == 1:
        return {"neighbors.png": as_png(pages[0])}
    return {f"neighbors_{number}.png": as_png(figure) for number, figure in enumerate(pages, 1)}
