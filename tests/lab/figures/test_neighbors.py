"""Strips of neighbours show the right images in the right order, and frame the wrong ones."""

import numpy as np
import pytest
from support.pictures import DIGITS, FASHION, compared, drawn_texts, named_run, unreadable, words

from lab.figures import neighbors
from lab.figures.neighbors import HIGHEST, neighbors_pages, similar_pages
from lab.figures.style import MUTED

LABELS = np.arange(60) % 10
QUERIES = np.arange(8)


def plain_images(channels=1, side=28, height=None):
    """Each image is of one grey or colour, its number times 4."""
    levels = np.arange(60, dtype=np.uint8)[:, None, None, None] * 4
    return np.broadcast_to(levels, (60, height or side, side, channels)) + np.arange(channels, dtype=np.uint8)


def random_neighbors(seed=0):
    """Numbers of images of which about half are of the query's class, none the query."""
    rng = np.random.default_rng(seed)
    same = QUERIES[:, None] + 10 * rng.integers(1, 6, (8, 8))
    return np.where(rng.random((8, 8)) < 0.5, same, (same + rng.integers(1, 10, (8, 8))) % 60)


def strip_arrays(number=0, images=None):
    """The strips of the random neighbours with a number, as a run keeps them."""
    strips = np.concatenate([QUERIES[:, None], random_neighbors(number)], axis=1)
    shown = (plain_images() if images is None else images)[strips]
    return {"strip_images": shown, "strip_labels": LABELS[strips], "test_labels": np.arange(90) % 10}


TITLE = "QUICK · exponential_triplet_class_center on fashion_mnist, seed 10: nearest neighbours"


def pages(names, class_names=FASHION, images=None):
    runs = {
        name: named_run(class_names=class_names, arrays=strip_arrays(number, images))
        for number, name in enumerate(names)
    }
    return neighbors_pages(TITLE, runs)


def strips(names, class_names=FASHION, images=None):
    (figure,) = pages(names, class_names, images)
    return figure


def shown_images(axes):
    """The numbers of the images in each line of a picture, from left to right, by their grey."""
    canvas = np.asarray(axes.images[0].get_array())
    levels = canvas if canvas.ndim == 2 else canvas[..., 0]
    lines = [levels[round(y)] for y in axes.get_yticks()]
    starts = [np.flatnonzero((line != 255) & (np.diff(line.astype(int), prepend=255) != 0)) for line in lines]
    return [(line[start] // 4).tolist() for line, start in zip(lines, starts, strict=True)]


def framed(axes):
    """Middles of the framed places, as columns and lines of images."""
    boxes = [path.get_extents() for path in axes.collections[0].get_paths()]
    middles = np.array([[(box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2] for box in boxes]).reshape(-1, 2)
    lines = [int(np.abs(axes.get_yticks() - y).argmin()) for y in middles[:, 1]]
    canvas = np.asarray(axes.images[0].get_array())
    grey = canvas[(middles[:, 1]).astype(int), (middles[:, 0]).astype(int)]
    return sorted(zip(lines, (grey if grey.ndim == 1 else grey[:, 0]) // 4, strict=True))


@pytest.mark.parametrize("channels", [1, 3])
def test_one_embedding_has_a_strip_of_each_query_and_its_neighbors_in_order(channels):
    axes = strips(["center"], images=plain_images(channels)).axes[0]
    found = random_neighbors()
    assert shown_images(axes) == [[query, *found[query].tolist()] for query in QUERIES.tolist()]
    assert [label.get_text() for label in axes.get_yticklabels()] == [FASHION[LABELS[query]] for query in QUERIES]


@pytest.mark.parametrize(("height", "side"), [(20, 40), (40, 20)])
def test_strips_of_images_that_are_not_square(height, side):
    axes = strips(["center"], images=plain_images(height=height, side=side)).axes[0]
    found = random_neighbors()
    assert shown_images(axes) == [[query, *found[query].tolist()] for query in QUERIES.tolist()]
    assert framed(axes) == sorted((q, i) for q in QUERIES for i in found[q] if LABELS[i] != LABELS[q])
    lines = np.asarray(axes.images[0].get_array())[:, : side // 2].max(axis=1)
    assert (lines != 255).sum() == height * len(QUERIES)


def test_a_comparison_has_a_block_of_each_query_with_the_neighbors_of_each_loss():
    figure = strips(["softmax", "center", "triplet"])
    for query, axes in enumerate(figure.axes[:8]):
        first, *others = shown_images(axes)
        assert first[0] == query
        assert [first[1:], *others] == [random_neighbors(loss)[query].tolist() for loss in range(3)]
        assert axes.get_title(loc="left") == FASHION[LABELS[query]]


def test_neighbors_of_another_class_alone_are_framed():
    found = random_neighbors()
    wrong = [(q, i) for q in QUERIES for i in found[q] if LABELS[i] != LABELS[q]]
    assert 10 < len(wrong) < 54
    assert framed(strips(["center"]).axes[0]) == sorted(wrong)


def test_neighbors_of_another_class_are_framed_for_each_loss():
    for query, axes in enumerate(strips(["softmax", "center"]).axes[:8]):
        found = [random_neighbors(loss)[query] for loss in range(2)]
        assert framed(axes) == sorted((loss, i) for loss in range(2) for i in found[loss] if i % 10 != query)


def test_the_class_of_a_wrong_neighbor_is_written_below_it():
    axes = strips(["center"]).axes[0]
    found = random_neighbors()
    wrong = [FASHION[LABELS[i]] for q in QUERIES for i in found[q] if LABELS[i] != LABELS[q]]
    assert [text.get_text() for text in axes.texts] == wrong
    paths = axes.collections[0].get_paths()
    for text, box in zip(axes.texts, (path.get_extents() for path in paths), strict=True):
        x, y = text.get_position()
        assert x == pytest.approx((box.x0 + box.x1) / 2)
        assert box.y1 - 1 < y < box.y1 + 5


def test_the_class_of_a_wrong_neighbor_is_written_between_the_strips():
    figure = strips(["center"])
    boxes = [box for text, box in drawn_texts(figure) if text in figure.axes[0].texts]
    middles = figure.axes[0].transData.transform([[0, y] for y in figure.axes[0].get_yticks()])[:, 1]
    images = np.asarray(figure.axes[0].images[0].get_extent())
    half = 14 * figure.axes[0].bbox.height / images[2]  # Pixels on the page.
    assert boxes
    for box in boxes:
        assert not any(box.y0 < middle + half and box.y1 > middle - half for middle in middles)


def test_right_neighbors_are_counted_for_each_loss():
    for query, axes in enumerate(strips(["softmax", "center"]).axes[:8]):
        right = [sum(i % 10 == query for i in random_neighbors(loss)[query]) for loss in range(2)]
        assert [text.get_text() for text in axes.texts] == [f"{count}/8" for count in right]


@pytest.mark.parametrize("part", ["test", "unknown"])
def test_of_a_class_with_few_others_no_more_neighbors_are_shown_and_counted_than_it_has(part):
    sizes = [4, 1, 9, 20, 2, 9, 9, 9, 9, 9]  # Of the classes in their order, of which eight are asked.
    judged = {f"{part}_labels": np.repeat(np.arange(10), sizes)}
    runs = {
        name: named_run(class_names=FASHION, arrays=strip_arrays(number) | judged) for number, name in enumerate("ab")
    }
    (figure,) = neighbors_pages(TITLE, runs)
    for query, axes in enumerate(figure.axes[:8]):
        others = min(sizes[query] - 1, 8)
        found = [random_neighbors(number)[query][:others].tolist() for number in range(2)]
        assert shown_images(axes) == [[query, *found[0]], found[1]]
        assert framed(axes) == sorted((line, i) for line in range(2) for i in found[line] if i % 10 != query)
        right = [sum(i % 10 == query for i in of_loss) for of_loss in found]
        assert [text.get_text() for text in axes.texts] == [f"{count}/{others}" for count in right]
        assert [text.get_color() == MUTED for text in axes.texts] == [count == others for count in right]
    (figure,) = neighbors_pages(TITLE, {"a": runs["a"]})
    found = [random_neighbors()[query][: size - 1].tolist() for query, size in enumerate(sizes[:8])]
    assert shown_images(figure.axes[0]) == [[query, *of_query] for query, of_query in enumerate(found)]


def test_losses_are_named_once_a_line_of_blocks():
    shown = words(strips(["softmax", "center", "triplet"]))  # Four lines of two.
    assert [shown.count(name) for name in ("softmax", "center", "triplet")] == [4, 4, 4]


@pytest.mark.parametrize("count", [1, 2])
def test_the_classes_are_those_judged(count):
    run = named_run(class_names="abcdef", unseen_names=FASHION, arrays=strip_arrays())
    (figure,) = neighbors_pages("title", {f"loss {number}": run for number in range(count)})
    shown = words(figure)
    assert set(FASHION[:8]) <= set(shown)


@pytest.mark.parametrize(
    ("count", "class_names"), [(1, FASHION), (4, FASHION), (12, FASHION), (34, FASHION), (1, DIGITS), (4, DIGITS)]
)
def test_every_text_of_the_strips_can_be_read(count, class_names):
    for figure in pages(compared(count), class_names):
        assert not unreadable(figure)


@pytest.mark.parametrize(("count", "blocks"), [(1, [1]), (4, [8]), (12, [4, 4]), (34, [3, 3, 2])])
def test_a_page_is_no_longer_than_it_may_be_and_every_query_is_on_one(count, blocks):
    figures = pages(compared(count))
    shown = [[axes for axes in figure.axes if axes.axison] for figure in figures]
    assert list(map(len, shown)) == blocks
    for figure in figures:
        width, height = figure.get_size_inches()
        assert width <= 10.5
        assert height <= HIGHEST == 14
    if count > 1:
        names = [axes.get_title(loc="left") for page in shown for axes in page]
        assert names == [FASHION[LABELS[query]] for query in QUERIES]


def test_pages_are_numbered_if_there_are_several():
    titles = [[" ".join(figure.get_suptitle().split()) for figure in pages(compared(count))] for count in (4, 12)]
    assert titles == [[TITLE], [f"{TITLE} (1 of 2)", f"{TITLE} (2 of 2)"]]


def test_many_queries_of_one_embedding_take_pages_too(monkeypatch):
    monkeypatch.setattr(neighbors, "HIGHEST", 5)
    figures = pages(["center"])
    shown = [query for figure in figures for query, *_ in shown_images(figure.axes[0])]
    assert len(figures) > 1
    assert shown == QUERIES.tolist()
    assert max(figure.get_figheight() for figure in figures) <= 5


@pytest.mark.parametrize("names", [["center"], ["softmax", "center"]])
def test_the_note_says_how_the_images_were_chosen(names):
    assert any("raw pixels are in doubt about" in " ".join(text.split()) for text in words(strips(names)))


def test_small_images_can_be_read_too():
    assert not unreadable(strips(["center"], FASHION, plain_images(side=8)))
    assert not unreadable(strips(["softmax", "center"], DIGITS, plain_images(side=8)))


@pytest.mark.parametrize("names", [["one"], ["one", "other"]])
def test_where_not_every_class_is_asked_the_note_says_how_many_are(names):
    shown = " ".join(words(strips(names, [*FASHION, *range(990)])))
    assert "Left: of 8 of 1,000 classes," in " ".join(shown.split())


def test_long_names_are_shortened_until_they_can_be_read():
    names = [f"vehicles/on the road/cars of the year {number}" for number in range(2000, 2010)]
    for figure in (strips(["one"], names), strips(["one", "other"], names)):
        assert not unreadable(figure)


def similar(names, k=3, classes=None, side=28, channels=1):
    """Pages of some images, each beside the `k` after it."""
    images = plain_images(channels, side)[np.arange(len(names))[:, None] + np.arange(1 + k)]
    classes = [classes or [f"class {n}" for n in range(k)]] * len(names)
    distances = np.arange(len(names))[:, None] + np.arange(k) / 8
    return similar_pages(
        "center on digits, seed 0: the most similar training images", names, images, classes, distances
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_beside_each_image_are_those_similar_in_their_order_with_class_and_distance(channels):
    (figure,) = similar(["a.png", "b.png"], channels=channels)
    (axes,) = figure.axes
    assert shown_images(axes) == [[0, 1, 2, 3], [1, 2, 3, 4]]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a.png", "b.png"]
    below = [f"class {n}\n{line + n / 8:.2f}" for line in range(2) for n in range(3)]
    assert [text.get_text() for text in axes.texts] == below
    assert framed(axes) == []
    assert not unreadable(figure)


@pytest.mark.parametrize("k", [1, 12])
def test_many_images_and_long_names_fit_the_pages(k):
    names = [f"a picture from my last holiday, number {number}.jpeg" for number in range(24)]
    figures = similar(names, k, classes=["a rather long/name of a class"] * k)
    assert all(figure.get_figheight() <= HIGHEST + 1 for figure in figures)
    shown = [label.get_text() for figure in figures for label in figure.axes[0].get_yticklabels()]
    assert len(shown) == 24
    assert shown[7].endswith("7.jpeg")
    assert not any(unreadable(figure) for figure in figures)
