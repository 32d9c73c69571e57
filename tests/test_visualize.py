"""Maps show what is in the data, numbers in figures are right, and no text is cropped or covered."""

import functools
import itertools
import math

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from data import CLASS_NAMES
from losses import LOSSES
from visualize import (
    class_colors,
    comparison_tsne_figure,
    confusion_figure,
    distances_figure,
    draw_distances,
    draw_tsne,
    pca_layout,
    rotated_to,
    tsne,
    tsne_figure,
)

FASHION = CLASS_NAMES["fashion_mnist"]
DIGITS = CLASS_NAMES["mnist"]


@pytest.fixture
def one_thread():
    """Threads that wait for each other slow small maps down on a busy machine."""
    with threadpool_limits(1):
        yield


few_points = pytest.mark.usefixtures("one_thread")


def clusters(size=120, classes=4, dim=10, seed=0):
    """Well separated clusters and their labels."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(size) % classes)
    return 10 * np.eye(classes, dim)[labels] + rng.normal(size=(size, dim)), labels


def like_neighbors(coordinates, labels):
    """Fraction of the 5 nearest of each point that are of its class."""
    nearest = NearestNeighbors(n_neighbors=5).fit(coordinates).kneighbors(return_distance=False)
    return float((labels[nearest] == labels[:, None]).mean())


def random_layout(size, seed=0):
    return np.random.default_rng(seed).normal(size=(size, 2)).astype("float32") * 1e-4


@few_points
def test_tsne_separates_well_separated_clusters():
    points, labels = clusters()
    layout = random_layout(len(points))
    coordinates, _ = tsne(points, layout, 20, 300, seed=0)
    assert coordinates.shape == (120, 2)
    assert like_neighbors(layout, labels) < 0.5
    assert like_neighbors(coordinates, labels) > 0.99


@few_points
def test_tsne_of_the_same_arguments_is_the_same():
    points, _ = clusters()
    first, second = (tsne(points, pca_layout(points), 20, 300, seed=0) for _ in range(2))
    np.testing.assert_array_equal(first[0], second[0])
    assert first[1] == pytest.approx(second[1], rel=1e-5)


def handedness(coordinates, labels):
    """The sign of the turn from the centre of class 0 over that of class 1 to that of class 2."""
    a, b, c = (coordinates[labels == label].mean(axis=0) for label in range(3))
    return np.sign(np.linalg.det([b - a, c - a]))


@few_points
def test_tsne_starts_from_the_layout_it_is_given():
    points, labels = clusters(classes=3)
    layout = pca_layout(points)
    mirrored = layout * np.array([1, -1], "float32")
    assert handedness(tsne(points, layout, 20, 300, seed=0)[0], labels) == handedness(layout, labels)
    assert handedness(tsne(points, mirrored, 20, 300, seed=0)[0], labels) == -handedness(layout, labels)


def conditional(squared, perplexity):
    """Neighbour probabilities of one point at the bandwidth that has this perplexity, by bisection."""
    low, high = 0.0, 1e4
    for _ in range(200):
        precision = (low + high) / 2
        weights = [math.exp(-precision * (d - min(squared))) for d in squared]
        probabilities = [w / sum(weights) for w in weights]
        entropy = -sum(p * math.log(p) for p in probabilities if p > 0)
        low, high = (precision, high) if entropy > math.log(perplexity) else (low, precision)
    return probabilities


def divergence_by_loops(points, coordinates, perplexity):
    """Kullback-Leibler divergence of the map, from the definition of van der Maaten and Hinton."""
    n = len(points)
    p = np.zeros((n, n))
    for i in range(n):
        others = [j for j in range(n) if j != i]
        p[i, others] = conditional([math.dist(points[i], points[j]) ** 2 for j in others], perplexity)
    p = (p + p.T) / (2 * n)
    pairs = list(itertools.permutations(range(n), 2))
    q = {(i, j): 1 / (1 + math.dist(coordinates[i], coordinates[j]) ** 2) for i, j in pairs}
    total = sum(q.values())
    return sum(p[pair] * math.log(p[pair] / (q[pair] / total)) for pair in pairs if p[pair] > 0)


@few_points
def test_tsne_tells_the_divergence_it_ends_at():
    points = np.random.default_rng(0).normal(size=(50, 10))
    coordinates, divergence = tsne(points, pca_layout(points), 12, 1000, seed=0)
    assert divergence == pytest.approx(divergence_by_loops(points, coordinates, 12), rel=0.02)


def test_pca_layout_is_small_and_keeps_the_shape_of_the_components():
    points, _ = clusters()
    layout = pca_layout(points)
    assert layout.shape == (120, 2)
    assert layout[:, 0].std() == pytest.approx(1e-4, rel=1e-5)
    centered = points - points.mean(axis=0)
    variances, axes = np.linalg.eigh(centered.T @ centered)
    for column, axis in enumerate((axes[:, -1], axes[:, -2])):
        assert abs(np.corrcoef(layout[:, column], centered @ axis)[0, 1]) == pytest.approx(1, abs=1e-5)
    assert layout[:, 1].std() / layout[:, 0].std() == pytest.approx(math.sqrt(variances[-2] / variances[-1]), rel=1e-4)


@pytest.mark.parametrize("mirror", [1, -1])
def test_rotated_to_undoes_rotation_reflection_and_shift(mirror):
    reference = np.random.default_rng(0).normal(size=(50, 2)) * [3, 1]
    turn = np.array([[math.cos(2), -math.sin(2)], [math.sin(2), math.cos(2)]]) * [1, mirror]
    moved = reference @ turn + [7, -4]
    np.testing.assert_allclose(rotated_to(moved, reference), reference - reference.mean(axis=0), atol=1e-12)


def test_rotated_to_keeps_all_distances():
    coordinates, reference = np.random.default_rng(0).normal(size=(2, 30, 2))
    rotated = rotated_to(coordinates, reference)
    for a, b in itertools.combinations(range(30), 2):
        assert math.dist(rotated[a], rotated[b]) == pytest.approx(math.dist(coordinates[a], coordinates[b]))


@pytest.mark.parametrize("count", [1, 2, 10, 11, 25])
def test_every_class_has_a_color_of_its_own(count):
    colors = [to_hex(color) for color in class_colors(count)]
    assert len(colors) == len(set(colors)) == count


@pytest.fixture
def drawn_map():
    """Axes with a drawn map, and what was drawn."""
    rng = np.random.default_rng(1)
    labels = rng.permutation(np.repeat([0, 1, 3], 40))  # None of class 2.
    coordinates = rng.normal(size=(4, 2))[labels] * [60, 20] + rng.normal(size=(120, 2))
    mistakes = rng.random(120) < 0.15
    axes = Figure(figsize=(4, 6)).add_subplot()
    draw_tsne(axes, coordinates, labels, ("zero", "one", "two", "three"), mistakes, "title", "caption")
    FigureCanvasAgg(axes.figure).draw()
    return axes, coordinates, labels, mistakes


def test_each_class_is_named_once_at_its_medoid(drawn_map):
    axes, coordinates, labels, _ = drawn_map
    assert [text.get_text() for text in axes.texts] == ["zero", "one", "three"]
    for text, label in zip(axes.texts, (0, 1, 3), strict=True):
        own = coordinates[labels == label]
        medoid = min(own.tolist(), key=lambda point, own=own: sum(math.dist(point, other) for other in own))
        assert list(text.get_position()) == medoid


def test_mistakes_are_crosses_and_the_rest_dots_in_the_color_of_their_class(drawn_map):
    axes, coordinates, labels, mistakes = drawn_map
    dots, crosses = axes.collections
    assert (len(dots.get_offsets()), len(crosses.get_offsets())) == (120 - mistakes.sum(), mistakes.sum())
    assert mistakes.sum() > 5
    colors = [to_hex(color) for color in class_colors(4)]
    place = {tuple(point): i for i, point in enumerate(coordinates)}
    for scatter, wrong in ((dots, False), (crosses, True)):
        for point, color in zip(scatter.get_offsets(), scatter.get_facecolors(), strict=True):
            i = place[tuple(point)]
            assert mistakes[i] == wrong
            assert to_hex(color) == colors[labels[i]]
    # A cross is two open strokes, a dot one closed curve.
    assert len(crosses.get_paths()[0].to_polygons(closed_only=False)) == 2
    assert len(dots.get_paths()[0].to_polygons()) == 1


def test_a_map_without_mistakes_has_no_crosses():
    axes = Figure().add_subplot()
    draw_tsne(axes, np.random.default_rng(0).normal(size=(20, 2)), np.arange(20) % 2, ("a", "b"))
    assert [len(scatter.get_offsets()) for scatter in axes.collections] == [20, 0]


def test_a_map_is_square_on_paper_and_in_scale_and_holds_every_point(drawn_map):
    axes, coordinates, _, _ = drawn_map
    box = axes.get_window_extent()
    assert box.width == pytest.approx(box.height)
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    assert right - left == pytest.approx(top - bottom)
    assert ([left, bottom] < coordinates.min(axis=0)).all()
    assert (coordinates.max(axis=0) < [right, top]).all()


def test_title_and_caption_are_drawn(drawn_map):
    axes, *_ = drawn_map
    assert axes.get_title(loc="left") == "title"
    assert axes.get_xlabel() == "caption"


BINS = np.array([0.0, 0.1, 0.5, 1.0, 2.0])


def test_histograms_have_area_one_and_the_shape_of_the_counts():
    counts = {"same class": np.array([5, 7, 1, 0]), "different classes": np.array([0, 40, 500, 90])}
    axes = Figure().add_subplot()
    draw_distances(axes, BINS, *counts.values())
    filled = {patch.get_label(): patch.get_data() for patch in axes.patches if patch.get_fill()}
    assert filled.keys() == counts.keys()
    for label, (heights, edges, _) in filled.items():
        areas = [h * (b - a) for h, a, b in zip(heights, edges, edges[1:], strict=False)]
        assert sum(areas) == pytest.approx(1)
        assert areas == pytest.approx([count / sum(counts[label]) for count in counts[label]])


def test_a_histogram_of_no_pairs_is_flat():
    axes = Figure().add_subplot()
    draw_distances(axes, BINS, np.zeros(4, int), np.array([1, 2, 3, 4]))
    assert sorted(float(patch.get_data().values.sum()) > 0 for patch in axes.patches) == [False, False, True, True]


def predictions(size=10_000):
    """Labels and predictions of a classifier that is right in nine of ten cases; class 7 does not occur."""
    rng = np.random.default_rng(0)
    labels = rng.choice([0, 1, 2, 3, 4, 5, 6, 8, 9], size)
    return labels, np.where(rng.random(size) < 0.9, labels, rng.integers(0, 10, size))


def test_confusion_matrix_has_true_classes_in_rows_and_counts_as_a_loop_does():
    labels, predicted = predictions(500)
    axes = confusion_figure("title", labels, predicted, FASHION, "the head").axes[0]
    shown = {text.get_position(): int(text.get_text()) for text in axes.texts}
    expected = dict.fromkeys(itertools.product(range(10), range(10)), 0)
    for row, column in zip(labels.tolist(), predicted.tolist(), strict=True):
        expected[column, row] += 1
    assert shown == expected
    assert [label.get_text() for label in axes.get_xticklabels()] == list(FASHION)
    assert [label.get_text() for label in axes.get_yticklabels()] == list(FASHION)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted by the head", "true")


def test_confusion_matrix_is_darker_for_a_larger_share_of_the_true_class():
    labels, predicted = np.array([0, 0, 0, 0, 1, 1]), np.array([0, 0, 0, 1, 0, 1])
    image = np.asarray(
        confusion_figure("title", labels, predicted, ("a", "b", "c"), "the head").axes[0].images[0].get_array()
    )
    shares = [[3 / 4, 1 / 4, 0], [1 / 2, 1 / 2, 0], [0, 0, 0]]
    assert image.ravel().argsort(kind="stable").tolist() == np.ravel(shares).argsort(kind="stable").tolist()


LONGEST_NAME = max(LOSSES, key=len)
TSNE_CAPTION = (
    "n 2,000 · perplexity 12.5 · seed 0 · KL 10.22 · 10 nearest kept 100%\n"
    "full space, all test images: 5-NN 100.00% · nearest mean 100.00% · MAP@R 0.999"
)
NOTE = (
    "2,000 test images, perplexity 12.5, 1,000 iterations, seed 0; embeddings L2-normalised. KL and the share of the "
    "10 nearest neighbours kept say how faithful a panel is. 5-NN, nearest mean and MAP@R are measured on all test "
    "images in the full space: they decide, not the picture."
)


def panel(title, caption):
    """A map of ten clusters in a ring, so that no name has to cover another."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(10), 30)
    angles = 2 * math.pi * (labels + 0.5) / 10
    coordinates = 10 * np.stack([np.cos(angles), np.sin(angles)], axis=1) + rng.normal(scale=0.7, size=(300, 2))
    mistakes = rng.random(300) < 0.1
    return {"coordinates": coordinates, "labels": labels, "mistakes": mistakes, "title": title, "caption": caption}


def comparison(panels, class_names):
    caption = "5-NN 100.00% · nearest mean 100.00% · MAP@R 0.999\nKL 10.22 · 10 nearest kept 100%"
    title = "QUICK · fashion_mnist: what the loss does to the embedding"
    return comparison_tsne_figure(title, [panel(LONGEST_NAME, caption)] * panels, class_names, NOTE)


def distances(rows):
    counts = np.random.default_rng(0).integers(1, 1000, size=(2, 100))
    row = {"same": counts[0], "different": counts[1], "title": LONGEST_NAME}
    row["scores"] = "intra/inter 0.999 · MAP@R 0.999"
    title = "QUICK · fashion_mnist: how near are images of one class?"
    return distances_figure(title, [row] * rows, np.linspace(0, 2, 101))


def single(class_names):
    title = "QUICK · triplet_center on fashion_mnist, seed 10: train images"
    return tsne_figure(class_names=class_names, **panel(title, TSNE_CAPTION))


def confusion(class_names):
    title = "QUICK · triplet_center on fashion_mnist, seed 10: 10,000 of 10,000 test images wrong"
    return confusion_figure(title, *predictions(), class_names, "the nearest class mean")


FIGURES = {
    "tsne": lambda: single(FASHION),
    "tsne, digits": lambda: single(DIGITS),
    "comparison of 1": lambda: comparison(1, FASHION),
    "comparison of 2": lambda: comparison(2, FASHION),
    "comparison of 5": lambda: comparison(5, FASHION),
    "comparison of 5, digits": lambda: comparison(5, DIGITS),
    "comparison of 12": lambda: comparison(12, FASHION),
    "comparison of all": lambda: comparison(len(LOSSES) + 1, FASHION),
    "distances of 1": lambda: distances(1),
    "distances of 5": lambda: distances(5),
    "distances of 13": lambda: distances(13),
    "distances of all": lambda: distances(len(LOSSES) + 1),
    "confusion": lambda: confusion(FASHION),
    "confusion, digits": lambda: confusion(DIGITS),
}
every_figure = pytest.mark.parametrize("name", FIGURES)


@functools.cache
def drawn(name):
    """A figure, and every text that its rendering drew with the box it takes."""
    figure, texts = FIGURES[name](), []
    draw = Text.draw

    def record(text, renderer):
        texts.append(text)
        draw(text, renderer)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Text, "draw", record)
        FigureCanvasAgg(figure).draw()
    shown = [text for text in dict.fromkeys(texts) if text.get_visible() and text.get_text().strip()]
    return figure, [(text, text.get_window_extent()) for text in shown]


def overlap(a, b):
    """Whether two boxes share more than a hair's breadth."""
    return min(a.x1, b.x1) - max(a.x0, b.x0) > 0.5 and min(a.y1, b.y1) - max(a.y0, b.y0) > 0.5


@every_figure
def test_no_text_is_cropped(name):
    figure, texts = drawn(name)
    page = figure.bbox
    cropped = [
        text.get_text()
        for text, box in texts
        if box.x0 < page.x0 or box.y0 < page.y0 or box.x1 > page.x1 or box.y1 > page.y1
    ]
    assert texts
    assert not cropped


@every_figure
def test_no_text_covers_another(name):
    _, texts = drawn(name)
    covered = [
        (a.get_text(), b.get_text())
        for (a, box_a), (b, box_b) in itertools.combinations(texts, 2)
        # The boxes of slanted neighbours overlap, the words in them do not.
        if overlap(box_a, box_b) and not (a.get_rotation() % 90 and b.get_rotation() % 90)
    ]
    assert not covered


@every_figure
def test_no_text_from_outside_covers_a_panel(name):
    figure, texts = drawn(name)
    panels = [axes for axes in figure.axes if axes.axison]
    covered = [
        text.get_text()
        for axes, (text, box) in itertools.product(panels, texts)
        if overlap(box, axes.get_window_extent()) and text not in inside(axes)
    ]
    assert panels
    assert not covered


def inside(axes):
    """The texts that belong into the box of some axes."""
    legend = axes.get_legend()
    return [*axes.texts, *(legend.get_texts() if legend else [])]


@pytest.mark.parametrize("name", [name for name in FIGURES if "comparison" in name])
def test_panels_of_a_comparison_are_squares_of_one_size(name):
    figure, _ = drawn(name)
    sides = [side for axes in figure.axes if axes.axison for side in axes.get_window_extent().size]
    assert sides == pytest.approx([sides[0]] * len(sides), rel=0.02)
    assert sides[0] > 3 * figure.dpi  # Inches.


def test_a_comparison_has_every_panel_and_a_key_of_all_classes():
    figure, texts = drawn("comparison of 5")
    assert sum(axes.axison for axes in figure.axes) == 5
    words = [text.get_text() for text, _ in texts]
    for name in FASHION:
        assert words.count(name) == 5 + 1
    assert "misclassified" in words
    assert sum(LONGEST_NAME in word for word in words) == 5


def test_a_comparison_draws_each_panel_from_its_own_arrays():
    panels = [panel(f"panel {i}", "") | {"coordinates": panel("", "")["coordinates"] * (i + 1)} for i in range(3)]
    figure = comparison_tsne_figure("title", panels, DIGITS, NOTE)
    for i, axes in enumerate(figure.axes[:3]):
        assert axes.get_title(loc="left") == f"panel {i}"
        crosses = panels[i]["coordinates"][panels[i]["mistakes"]]
        np.testing.assert_array_equal(axes.collections[1].get_offsets(), crosses)


def test_distance_rows_share_one_axis_and_keep_their_order():
    rows = [{"same": np.eye(4, dtype=int)[i], "different": np.ones(4, int), "title": f"row {i}"} for i in range(3)]
    figure = distances_figure("title", rows, BINS)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["row 0", "row 1", "row 2"]
    assert {axes.get_xlim() for axes in figure.axes} == {(0.0, 2.0)}
    for i, axes in enumerate(figure.axes):
        assert np.flatnonzero(axes.patches[0].get_data().values).tolist() == [i]
