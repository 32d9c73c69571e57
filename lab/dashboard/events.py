"""Files of TensorBoard events that are written whole, each in place of the ones before."""

import struct
import time

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.image.metadata import create_summary_metadata
from tensorboard.plugins.scalar.summary_v2 import scalar_pb
from tensorboard.plugins.text.summary_v2 import text_pb
from tensorboard.summary.writer.record_writer import RecordWriter
from tensorboard.util.tensor_util import make_tensor_proto

from lab.files import whole_file

from .nothing import OWN_EVENTS

PNG_SIZE = struct.Struct(">II")  # Width and height, at byte 16 of a PNG.


def replace_events(folder, summaries):
    """Puts steps and their summaries into a folder in place of those it was called with before; other events stay.

    The steps of each tag ascend. Without any, no file is left.
    """
    before = list(folder.glob(OWN_EVENTS))
    if summaries:
        # TensorBoard reads the files of a folder in the order of their names.
        path = folder / OWN_EVENTS.replace("*", str(time.time_ns()))
        with whole_file(path) as temporary, open(temporary, "wb") as file:
            write_events(file, summaries)
    for path in before:
        path.unlink()


def write_events(file, summaries):
    """Writes steps and their summaries at the end of an open binary file."""
    records, now = RecordWriter(file), time.time()
    if file.tell() == 0:
        records.write(Event(wall_time=now, file_version="brain.Event:2").SerializeToString())
    for step, summary in summaries:
        records.write(Event(wall_time=now, step=step, summary=summary).SerializeToString())


def scalars(values):
    """Summaries of a dict from a tag to a number; None is left out."""
    return [scalar_pb(tag, value) for tag, value in values.items() if value is not None]


def texts(contents):
    """Summaries of a dict from a tag to Markdown."""
    return [text_pb(tag, text) for tag, text in contents.items()]


def picture(tag, png):
    """Summary of a picture that is a PNG already: drawn once for TensorBoard and for its own file."""
    width, height = PNG_SIZE.unpack_from(png, 16)
    summary = Summary()
    summary.value.add(
        tag=tag,
        metadata=create_summary_metadata(display_name="", description=""),
        tensor=make_tensor_proto([str(width).encode(), str(height).encode(), png]),
    )
    return summary
