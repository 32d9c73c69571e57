"""What a person sees of the results in TensorBoard, in a real browser."""

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

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import sync_playwright
from support.command import LOSSES

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
CURVES = ("epoch_map_at_r", "epoch_embedding_norm")
TEST_IMAGES = 400
# TensorBoard's own, on every page.
NOT_OURS = ("Multiple instances of Three.js", "is deprecated", "cannot process domain type")


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
        if found := re.search(r"http://\S+/", log.read_text()):
            return found[0]
        if process.poll() is not None:
            break
        time.sleep(0.1)
    pytest.fail(f"TensorBoard did not start: {log.read_text()}")


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
    with tensorboard(runs) as address:
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


@pytest.mark.parametrize("curve", CURVES)
def test_curves_of_all_losses_lie_in_one_chart(page, address, curve):
    page.goto(f"{address}?tagFilter=^{curve}$#timeseries")
    card = page.locator("scalar-card")
    for loss in LOSSES:
        card.get_by_text(f"digits/{loss}/seed-0/validation").wait_for()
    assert card.count() == 1
    chart = card.locator("line-chart")
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


def test_the_table_of_runs_has_a_line_for_every_loss_and_no_empty_cell(page, address):
    page.goto(f"{address}#hparams")
    page.get_by_text("Trial ID").wait_for()
    for loss in LOSSES:
        page.locator("vaadin-grid-cell-content").filter(has_text=re.compile(rf"^\s*{loss}/none/0/")).wait_for()
    cells = [cell.strip() for cell in page.locator("vaadin-grid-cell-content").all_inner_texts()]
    columns = cells[: cells.index("")]
    assert columns[:2] == ["Trial ID", "Show Metrics"]
    assert {"loss", "changes", "seed", "split", "MAP@R", "EER"} <= set(columns)
    starts = [i for i, cell in enumerate(cells) if "/none/0/" in cell]
    assert len(starts) == len(LOSSES)
    for start, end in itertools.pairwise([*starts, len(cells)]):
        filled = [cell for cell in cells[start:end] if cell]  # The box to tick is none, and there is a hidden one.
        assert len(filled) == len(columns) - 1, filled
        assert all(0 <= float(value) <= 1 for value in filled[-5:])


def test_means_over_seeds_have_a_chart_per_curve_and_a_line_per_loss(page, address):
    page.goto(f"{address}#custom_scalars")
    charts = page.locator("tf-custom-scalar-margin-chart-card")
    matches = page.get_by_text(f"Matches ({len(LOSSES)})")
    for number in range(5):  # Each chart asks for its lines itself.
        charts.nth(number).locator("path.line").nth(len(LOSSES) - 1).wait_for(state="attached")
        matches.nth(number).wait_for(state="attached")
    assert charts.count() == matches.count() == 5


def test_pictures_are_shown(page, address):
    page.goto(f"{address}#images")
    pictures = page.locator("tf-image-loader img")
    pictures.nth(len(LOSSES) - 1).wait_for()
    page.wait_for_function("[...document.images].every(image => image.complete)")
    assert all(width > 300 for width in pictures.evaluate_all("found => found.map(image => image.naturalWidth)"))


def test_the_results_are_a_table_of_text(page, address):
    page.goto(f"{address}#text")
    page.get_by_role("cell", name="MAP@R").first.wait_for()
    assert page.locator("tf-text-dashboard table").count() >= len(LOSSES)
    assert page.get_by_text("python main.py").count()


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
    frame.locator(f".numDataPoints:text-is('{TEST_IMAGES}')").wait_for()
    return frame


def click_bookmark(page, frame):
    frame.locator("vz-projector-bookmark-panel .state-radio").first.click()
    for digit in range(10):
        frame.locator("vz-projector-data-panel").get_by_text(f"digit {digit}", exact=True).first.wait_for()
    page.wait_for_timeout(3000)  # The points are drawn on a canvas: nothing else tells that they are there.


def test_the_projector_shows_every_image_of_every_run_and_its_bookmark_colours_them(page, address):
    frame = open_projector(page, address)
    frame.locator(".dim:text-is('16')").wait_for()
    frame.get_by_text(f"{len(LOSSES)} runs found").wait_for()
    click_bookmark(page, frame)


def test_the_second_tensor_of_the_projector_is_our_map(page, address):
    frame = open_projector(page, address)
    frame.locator("vz-projector-data-panel paper-dropdown-menu").nth(1).click()
    frame.locator("paper-item:has-text('t-SNE map')").first.click()
    frame.locator(".dim:text-is('2')").wait_for()
    click_bookmark(page, frame)
