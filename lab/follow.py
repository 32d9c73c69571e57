"""What every process but process 0 does: see `lab.hosts`."""

import contextlib
import json
import os
import sys
import time
import traceback

from lab.checks import check_weights
from lab.colored import colored_classes
from lab.errors import InputError
from lab.faults import as_fault
from lab.film import Film
from lab.health import Health
from lab.hosts import PATIENCE, company
from lab.machine import source_code
from lab.settings import Settings
from lab.startup import REFUSED
from lab.training import Failure, train
from models import build_model


def lead(data):
    """Has the other processes load the `Dataset` that this one has: what they can find kept of it is kept by now."""
    company().told({"made_with": _made_with(data)})


def _made_with(data):
    """What is to be the same on every process, as text."""
    return json.dumps([data.name, data.content, data.image_shape, len(data.train), source_code()])


def follow(options, load_dataset):
    """Trains all that process 0 trains, with it; never returns: process 0 ends this one.

    Args:
        options: `Options`.
        load_dataset: As that of `data`.
    """
    try:
        told = company().told({})
        data = load_dataset(options.dataset, print, options.quick, options.image_size)
        if _made_with(data) != told["made_with"]:
            raise InputError(
                f"process {company().number} has other images, or another version, than process 0. Give the same "
                "command on every host"
            )
        splits = {split: data.hold_out(classes) for split, classes in options.held_out(data).items()}
        while True:
            _train(splits)
    except InputError as error:
        text, status = str(error), 2
    except Exception as error:
        time.sleep(PATIENCE)  # If it is another one that was lost, process 0 ends this one meanwhile.
        text, status = as_fault(error, None) or traceback.format_exc(), REFUSED
    print(f"main.py: {text}", file=sys.stderr, flush=True)
    os._exit(status)  # JAX would wait for the others.


def _train(splits):
    told = company().told({})
    settings = Settings.from_dict(json.loads(told["settings"].item()))
    check_weights(settings)
    data = splits[settings.split]
    model = build_model(settings, data.image_shape, data.num_classes)
    film = [Film(data.validation, settings, colored_classes(data))] if told["film"] else []
    with contextlib.suppress(Failure):
        train(model, data.train, Health(data.validation, settings), film)
