"""Files of TensorBoard events that are written whole, each in place of the ones before."""

import contextlib
import errno
import os
import struct
import time

import tensorflow as tf
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.image.metadata import create_summary_metadata
from tensorboard.plugins.scalar.summary_v2 import scalar_pb
from tensorboard.plugins.text.summary_v2 import text_pb
from tensorboard.util.tensor_util import make_tensor_proto

from lab.files import whole_file

from .nothing import OWN_EVENTS

CODES = {
    tf.errors.ResourceExhaustedError: errno.ENOSPC,
    tf.errors.PermissionDeniedError: errno.EACCES,
    tf.errors.NotFoundError: errno.ENOENT,
    tf.errors.FailedPreconditionError: errno.ENOTDIR,
}
PNG_SIZE = struct.Struct(">II")  # Width and height, at byte 16 of a PNG.


def replace_events(folder, summaries):
    """Puts steps and their summaries into a folder in place of those it was called with before; other events stay.

    The steps of each tag ascend. Without any, no file is left.
    """
    before = list(folder.glob(OWN_EVENTS))
    if summaries:
        # TensorBoard reads the files of a folder in the order of their names.
        _write(folder / OWN_EVENTS.replace("*", str(time.time_ns())), summaries)
    for path in before:
        path.unlink()


@contextlib.contextmanager
def raising_os_errors(path):
    """Has TensorFlow's errors of what it writes, a file or in a folder, be those of everything else that writes."""
    try:
        yield
    except tf.errors.OpError as error:
        code = CODES.get(type(error), errno.EIO)
        raise OSError(code, os.strerror(code), str(path)) from error


def _write(path, summaries):
    with whole_file(path) as temporary, raising_os_errors(path), tf.io.TFRecordWriter(str(temporary)) as writer:
        now = time.time()
        writer.write(Event(wall_time=now, file_version="brain.Event:2").SerializeToString())
        for step, summary in summaries:
            own = Summary.FromString(summary.SerializeToString())  # TensorFlow's or TensorBoard's: equal but in name.
            writer.write(Event(wall_time=now, step=step, summary=own).SerializeToString())


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
