"""Event files: read back as written, replaced as a whole, and nobody else's touched."""

import numpy as np
import pytest
import tensorflow as tf
from matplotlib.figure import Figure
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lab.dashboard.events import picture, replace_events, scalars, texts
from lab.figures.style import as_png


def read(folder):
    """Dict from a tag to its steps and tensors."""
    accumulator = EventAccumulator(str(folder), {"tensors": 0}).Reload()
    return {
        tag: [(event.step, tf.make_ndarray(event.tensor_proto)) for event in accumulator.Tensors(tag)]
        for tag in accumulator.Tags()["tensors"]
    }


def test_numbers_and_texts_are_read_back_with_their_steps(tmp_path):
    summaries = [(3, s) for s in scalars({"test/map_at_r": 0.25, "test/head_accuracy": None})]
    replace_events(tmp_path, [*summaries, *((0, s) for s in texts({"result": "# A *title*"}))])
    found = read(tmp_path)
    assert found.keys() == {"test/map_at_r", "result"}
    ((step, value),) = found["test/map_at_r"]
    assert (step, float(value)) == (3, 0.25)
    assert found["result"][0][1].item().decode() == "# A *title*"


def test_a_picture_is_the_png_itself_with_its_size(tmp_path):
    figure = Figure(figsize=(3, 2), dpi=50)
    figure.add_subplot().plot([0, 1])
    content = as_png(figure)
    replace_events(tmp_path, [(0, picture("roc", content))])
    ((_, (width, height, found)),) = read(tmp_path)["roc"]
    assert (int(width), int(height)) == (150, 100)
    assert found == content
    np.testing.assert_array_equal(tf.io.decode_png(found).shape, (100, 150, 4))


def test_the_same_again_adds_nothing_twice(tmp_path):
    for value in (0.1, 0.2):
        replace_events(tmp_path, [(0, s) for s in scalars({"a": value})])
    assert len(list(tmp_path.iterdir())) == 1
    ((_, value),) = read(tmp_path)["a"]
    assert float(value) == np.float32(0.2)


def test_events_of_others_stay(tmp_path):
    with tf.summary.create_file_writer(str(tmp_path)).as_default(0):
        tf.summary.scalar("theirs", 1.0)
    for _ in range(2):
        replace_events(tmp_path, [(0, s) for s in scalars({"ours": 2.0})])
    assert read(tmp_path).keys() == {"theirs", "ours"}


def test_what_was_there_stays_if_the_new_cannot_be_written(tmp_path):
    replace_events(tmp_path, [(0, s) for s in scalars({"a": 1.0})])
    with pytest.raises(TypeError):
        replace_events(tmp_path, [(0, "no summary")])
    assert read(tmp_path).keys() == {"a"}
    assert len(list(tmp_path.iterdir())) == 1


def test_nothing_to_show_leaves_no_file(tmp_path):
    replace_events(tmp_path, [(0, s) for s in scalars({"a": 1.0})])
    replace_events(tmp_path, [])
    assert not list(tmp_path.iterdir())
