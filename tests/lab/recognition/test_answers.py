"""The words and the table that answer which class an image is of."""

import io
import types

import numpy as np
import pytest
from rich.console import Console

from lab.recognition.answers import SHOWN, answer, show, verdict

KNOWN = types.SimpleNamespace(class_names=("a", "b", "c"), means=np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 10.0]]))


def test_the_two_nearest_classes_with_their_distances_and_whether_the_first_is_near_enough():
    points = np.array([[0.0, 1.0], [3.0, 3.0], [0.0, 8.0]])
    rows = answer(["x", "y", "z"], points, KNOWN, {"distance": 2.0})
    assert [list(row.values()) for row in rows] == [
        ["x", "a", "1.000000", "b", "4.242641", "yes"],
        ["y", "b", "1.000000", "a", "4.242641", "yes"],
        ["z", "c", "2.000000", "b", "5.000000", "no"],  # As far as the threshold.
    ]


def test_without_a_threshold_there_is_no_verdict():
    (row,) = answer(["x"], np.array([[0.0, 1.0]]), KNOWN, None)
    assert (row["class"], row["known"]) == ("a", "")


def words(rates, gallery=None):
    trained = types.SimpleNamespace(rates=rates, class_names=KNOWN.class_names, path="runs/digits/center/seed-0")
    return verdict(trained, gallery)


def test_what_the_threshold_does_is_stated_as_far_as_it_was_measured():
    validation = {"validation_accepted": 0.93, "validation_right": 0.92, "validation_far": 0.01}
    known = validation | {"test_accepted": 0.98, "test_right": 0.97, "test_far": 0.012}
    closed = words({"distance": 0.6213} | known)
    assert closed.startswith("Unknown is what is 0.621 or more away from the nearest class mean.\n")
    assert "known classes 2.0 % are called unknown, 97.0 % are recognised." in closed
    assert "If their own class were unknown, 1.2 % would be taken for another." in closed
    opened = words({"distance": 0.6213, "unknown_accepted": 0.0412} | known)
    assert "known classes 2.0 % are called unknown" in opened
    assert "classes never seen 4.1 % are taken for known." in opened
    unseen = words({"distance": 0.6213, "unknown_accepted": 0.0412} | validation)
    assert "Of validation images of known classes 7.0 % are called unknown, 92.0 % are recognised." in unseen
    assert "classes never seen 4.1 % are taken for known." in unseen


def test_of_a_gallery_the_threshold_is_said_to_be_that_of_the_training():
    gallery = types.SimpleNamespace(what="images of faces")
    said = words({"distance": 0.5, "test_accepted": 0.9, "test_right": 0.9, "test_far": 0.01}, gallery)
    assert "chosen on the 3 classes of the training: for images of faces it is a guess" in said
    assert "%" not in said


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_table_fits_and_a_long_one_says_where_the_rest_is(width):
    out = io.StringIO()
    names = [f"images/[red]a rather long name of an image, number {number}.png" for number in range(SHOWN + 2)]
    rows = answer(names, np.zeros((len(names), 2)), KNOWN, {"distance": 2.0})
    show("By center", rows, "to/embedded.csv", Console(file=out, width=width))
    table, _, end = out.getvalue().rpartition("The first")
    assert max(map(len, table.splitlines())) <= width
    squeezed = "".join(table.split())
    assert f"number{SHOWN - 1}.png" in squeezed.replace("│", "") or width == 40  # Its lines are cut there.
    assert end == f" {SHOWN} of {SHOWN + 2} images: all are in to/embedded.csv\n" or width == 40
    assert f"number {SHOWN}.png" not in table


def test_a_path_without_room_loses_its_first_folders_and_keeps_the_name_of_the_file():
    out = io.StringIO()
    folder = "/home/someone/pictures/of birds/from 2025/spring"
    rows = answer([f"{folder}/1.png", "2.png", f"{folder}/{'x' * 50}.png"], np.zeros((3, 2)), KNOWN, None)
    show("By center", rows, "to/embedded.csv", Console(file=out, width=68))
    lines = out.getvalue().splitlines()
    assert [line.split("  a ")[0].strip() for line in lines[4:6]] == ["…/from 2025/spring/1.png", "2.png"]
    assert lines[6].startswith(" …/xxx")
    assert rows[0]["path"] == f"{folder}/1.png"
