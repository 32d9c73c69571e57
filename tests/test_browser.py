"""What a person sees of the results in TensorBoard, in a real browser."""

import collections
import contextlib
import io
import itertools
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import sync_playwright
from support.command import LOSSES
from support.runs import write_run

from lab.dashboard import make_dashboard
from lab.dashboard.comparison import CURVES, write_comparison
from lab.files import save_table
from lab.results import gather
from lab.run_folder import RunFolder

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("main")]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SOFTWARE_RENDERING = (
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
)
OFFLINE = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run")
PATIENCE = 60_000  # Milliseconds until something has to be there.
SHARED = {"loss", "validation_loss", "head_accuracy", "validation_head_accuracy", "learning_rate"} | {
    *("map_at_r", "center_accuracy", "spread", "embedding_norm", "target_angle")
}
PAGE = 12  # Charts of a group that TensorBoard shows at once.
MAPPED_IMAGES = 100
BLACK = SimpleNamespace(shown_images=lambda indices: np.zeros((len(indices), 4, 4, 1), np.uint8))
# TensorBoard's own, on every page.
NOT_OURS = ("Multiple instances of Three.js", "is deprecated")


@contextlib.contextmanager
def tensorboard(logdir):
    """The address of a TensorBoard on some results."""
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(logdir), "--port", "0", "--host", "127.0.0.1"]
    with tempfile.NamedTemporaryFile() as log, subprocess.Popen(command, stderr=log) as process:
        try:
            yield _address(process, pathlib.Path(log.name))
        finally:
            process.terminate()


def _address(process, log):
    """What TensorBoard says it can be reached at."""
    for _ in range(PATIENCE // 100):
        if found := re.search(r"http://\S+/", log.read_text(encoding="utf-8")):
            return found[0]
        if process.poll() is not None:
            break
        time.sleep(0.1)
    pytest.fail(f"TensorBoard did not start: {log.read_text(encoding='utf-8')}")


@pytest.fixture(scope="module")
def screenshots(tmp_path_factory):
    """Where the pictures of the pages go: kept if `SCREENSHOTS` names a folder."""
    if "SCREENSHOTS" not in os.environ:
        return tmp_path_factory.mktemp("screenshots")
    folder = pathlib.Path(os.environ["SCREENSHOTS"])
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        assert "SCREENSHOTS" not in os.environ, "screenshots are wanted, but there is no Chromium"
        pytest.skip("no Chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=[*SOFTWARE_RENDERING, *OFFLINE])


@pytest.fixture(scope="module")
def address(runs):
    with tensorboard(runs / "digits") as address:
        yield address


@pytest.fixture(scope="module")
def seeds_address(tmp_path_factory):
    """A TensorBoard on two seeds of every loss."""
    path, dashboard = tmp_path_factory.mktemp("runs") / "digits", make_dashboard(True)
    for loss in LOSSES:
        for seed in (0, 1):
            folder = RunFolder(write_run(path, loss, seed=seed))
            rows = [{"epoch": epoch} | dict.fromkeys(CURVES.values(), epoch + seed) for epoch in (0, 1)]
            save_table(folder.path / "history.csv", rows, ["epoch", *CURVES.values()])
            dashboard.run(folder, folder.load(), [], BLACK)
    write_comparison(gather(path), "# All")
    with tensorboard(path) as address:
        yield address


@pytest.fixture
def page(browser, screenshots, request):
    """A page that keeps a picture of how it ended, and fails the test for any complaint of the browser."""
    page = browser.new_page(viewport={"width": 1500, "height": 1000})
    page.set_default_timeout(PATIENCE)
    complaints = []
    page.on(
        "console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("response", lambda response: complaints.append(response.url) if response.status >= 400 else None)
    yield page
    name = re.sub(r"[^a-z0-9_]+", "-", request.node.name.removeprefix("test_")).strip("-")
    page.screenshot(path=screenshots / f"{name}.png")
    page.close()
    assert not [text for text in complaints if not any(known in text for known in NOT_OURS)]


def place(found):
    """Where something is on the page, to sort by: the order of the elements may be another one."""
    box = found.bounding_box()
    return box["y"], box["x"]


def test_the_page_opens_on_the_curves_with_a_line_for_every_loss(page, address):
    page.set_viewport_size({"width": 1500, "height": 4000})  # TensorBoard draws what can be seen.
    page.goto(address)
    groups = page.locator(".card-group")
    titles = page.locator(".card-group .group-title")
    titles.filter(has_text="test").wait_for()
    names = ["epoch", "histogram", "map", "maps_over_training", "picture", "term", "test"]
    assert titles.all_inner_texts() == names
    cards = groups.first.locator("scalar-card")
    cards.nth(len(SHARED)).wait_for()
    is_open = [group.locator("[data-mat-icon-name=expand_less_24px]").count() for group in groups.all()]
    assert is_open == [1, 1, 0, 0, 0, 0, 0]
    assert cards.count() <= PAGE
    assert groups.first.get_by_text("Next", exact=True).count() == 0
    for name in SHARED:
        card = cards.filter(has=page.get_by_text(f"epoch/{name}", exact=True))
        for loss in LOSSES:
            card.get_by_text(f"{loss}/seed-0", exact=True).wait_for()
        assert card.get_by_text("seed-0").count() == len(LOSSES)


@pytest.mark.long
def test_a_chart_has_lines(page, address):
    page.goto(f"{address}?tagFilter=^epoch/map_at_r$#timeseries")
    chart = page.locator("scalar-card line-chart")
    for _ in range(PATIENCE // 200):
        if is_in_color(chart.screenshot()):
            break
        page.wait_for_timeout(200)
    else:
        pytest.fail("no line was drawn")


def is_in_color(png):
    """Whether a picture of a chart has curves: its grid and its words are grey."""
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)
    return np.count_nonzero(np.ptp(pixels, axis=-1) > 60) > 100


@pytest.mark.parametrize(
    ("results", "differing"),
    [("address", ["loss"]), pytest.param("seeds_address", ["loss", "seed"], marks=pytest.mark.long)],
)
def test_the_table_of_runs_has_a_line_for_each_and_no_column_that_is_the_same_for_all(
    page, request, results, differing
):
    page.goto(f"{request.getfixturevalue(results)}#hparams")
    page.get_by_text("Trial ID").wait_for()
    for loss in LOSSES:
        page.locator("vaadin-grid-cell-content").filter(has_text=re.compile(rf"^\s*{loss}/seed-0 in ")).wait_for()
    cells = [cell.strip() for cell in page.locator("vaadin-grid-cell-content").all_inner_texts()]
    columns = cells[: cells.index("")]
    scores = ["nearest mean", "MAP@R", "Recall@1", "EER", "TAR at FAR 1e-3"]
    assert columns == ["Trial ID", "Show Metrics", *differing, *scores]
    starts = [i for i, cell in enumerate(cells) if " in " in cell]
    assert len(starts) == len(LOSSES) * len(differing)
    for start, end in itertools.pairwise([*starts, len(cells)]):
        filled = [cell for cell in cells[start:end] if cell]  # The box to tick is none, and there is a hidden one.
        assert len(filled) == len(columns) - 1, filled
        assert all(0 <= float(value) <= 1 for value in filled[-5:])


@pytest.mark.long
def test_means_over_seeds_have_a_chart_per_curve_and_a_line_per_loss(page, seeds_address):
    page.goto(f"{seeds_address}#custom_scalars")
    charts = page.locator("tf-custom-scalar-margin-chart-card")
    matches = page.get_by_text(f"Matches ({len(LOSSES)})")
    for number in range(5):  # Each chart asks for its lines itself.
        charts.nth(number).locator("path.line").nth(len(LOSSES) - 1).wait_for(state="attached")
        matches.nth(number).wait_for(state="attached")
    assert charts.count() == matches.count() == 5
    assert sorted(CURVES, key=lambda title: place(page.get_by_text(title, exact=True))) == list(CURVES)


@pytest.mark.long
def test_all_seeds_of_a_loss_have_its_colour_if_runs_are_grouped_by_it(page, seeds_address):
    page.goto(f"{seeds_address}?runColorGroup=regex:([^/]*)#timeseries")
    colors = collections.defaultdict(set)
    for loss in LOSSES:
        for name in (loss, f"{loss}/seed-0", f"{loss}/seed-1"):
            row = page.locator("runs-data-table tb-data-table-content-row").filter(
                has=page.get_by_text(name, exact=True)
            )
            swatch = row.locator("button.run-color-swatch")
            swatch.wait_for()
            colors[loss].add(swatch.evaluate("found => getComputedStyle(found).backgroundColor"))
    assert [len(found) for found in colors.values()] == [1] * len(LOSSES)
    assert len(set.union(*colors.values())) == len(LOSSES)


def test_the_first_pictures_are_the_maps_of_test_images(page, address):
    page.goto(f"{address}#images")
    pictures = page.locator("tf-image-loader img")
    pictures.nth(len(LOSSES) - 1).wait_for()
    page.wait_for_function("[...document.images].every(image => image.complete)")
    assert all(width > 300 for width in pictures.evaluate_all("found => found.map(image => image.naturalWidth)"))
    first = sorted(page.locator("tf-image-loader").all(), key=place)[: len(LOSSES)]
    assert all(found.get_by_text("tag: map/tsne_test").count() for found in first)


@pytest.mark.long
def test_the_results_are_tables_of_text_and_the_comparison_comes_first(page, address):
    page.goto(f"{address}#text")
    page.get_by_role("cell", name="MAP@R").nth(len(LOSSES) - 1).wait_for()
    first = page.locator("tf-text-loader").first
    assert all(first.get_by_role("cell", name=loss, exact=True).count() for loss in ("raw_pixels", *LOSSES))
    assert page.locator("tf-text-dashboard table").count() >= len(LOSSES)
    assert page.get_by_text("python main.py").count()


@pytest.mark.long
def test_pairs_are_curves_of_precision_and_recall(page, address):
    page.goto(f"{address}#pr_curves")
    card = page.locator("tf-pr-curve-card")
    card.locator("path.line").nth(len(LOSSES) - 1).wait_for(state="attached")
    assert card.count() == 1


def open_projector(page, address):
    """The frame that the projector is in, with all points there."""
    with page.expect_event("framenavigated", lambda frame: "projector_binary" in frame.url):
        page.goto(f"{address}#projector")
    frame = next(frame for frame in page.frames if "projector_binary" in frame.url)
    frame.locator(f".numDataPoints:text-is('{MAPPED_IMAGES}')").wait_for()
    return frame


def click_bookmark(page, frame):
    frame.locator("vz-projector-bookmark-panel .state-radio").first.click()
    for digit in range(10):
        frame.locator("vz-projector-data-panel").get_by_text(f"class {digit}", exact=True).first.wait_for()
    page.wait_for_timeout(3000)  # The points are drawn on a canvas: nothing else tells that they are there.


def test_the_projector_shows_every_image_of_every_run_and_its_bookmark_colours_them(page, address):
    frame = open_projector(page, address)
    frame.locator(".dim:text-is('16')").wait_for()
    frame.get_by_text(f"{len(LOSSES)} runs found").wait_for()
    click_bookmark(page, frame)


@pytest.mark.long
def test_the_second_tensor_of_the_projector_is_our_map(page, address):
    frame = open_projector(page, address)
    frame.locator("vz-projector-data-panel paper-dropdown-menu").nth(1).click()
    frame.locator("paper-item:has-text('t-SNE map')").first.click()
    frame.locator(".dim:text-is('2')").wait_for()
    click_bookmark(page, frame)
