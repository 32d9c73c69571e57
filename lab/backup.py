"""What lets a training go on after its last finished epoch."""

import json
import time

import keras
from keras.ops import convert_to_numpy as to_numpy

from lab import hosts
from lab.files import read_json, read_sealed, save_sealed
from lab.machine import source_code

BACKUP = "training.backup"  # In the folder of a run, until it ended.
SHORT = 1.0  # Seconds. Of a shorter epoch, forcing its state to the disk takes too large a share: 10 to 20 ms.


class Backup(keras.callbacks.Callback):
    """Keeps the state of a training after every epoch in one file, and begins with the state that is found there.

    The last of the callbacks: the others have begun, and have done their part of an epoch, when it restores and keeps
    their `state`, a dict of arrays. A state that is damaged, or of other settings, versions or source code than those
    of the folder's `config.json`, is not restored: `note` says so, or after which epoch the training goes on.

    Without a path of a folder nothing is kept.
    """

    def __init__(self, path=None):
        super().__init__()
        self.path = path and path / BACKUP
        self.note, self.epochs, self.earlier, self.found = None, 0, 0.0, {}
        if path:
            config = read_json(path / "config.json")
            self.made_with = {name: config.get(name) for name in ("settings", "versions")} | {"source": source_code()}
            self._find()

    def _find(self):
        """Looks for a state to go on from."""
        if not self.path.is_file():
            return
        found = read_sealed(self.path)
        made_with = json.loads(found.pop("made_with").item()) if found else None
        if made_with == self.made_with:
            self.found, self.epochs, self.earlier = found, int(found.pop("epochs")), float(found.pop("seconds"))
            self.note = f"goes on after epoch {self.epochs}"
        elif not made_with:
            self.note = "starts over: what was kept of it is damaged"
        else:
            alike = made_with["settings"] == self.made_with["settings"]
            self.note = f"starts over: what was kept of it is of {'another version' if alike else 'other settings'}"

    def share(self):
        """Has every process that trains together go on from what process 0 has found."""
        told = hosts.company().told({"epochs": self.epochs, "seconds": self.earlier, **self.found})
        self.epochs, self.earlier, self.found = int(told.pop("epochs")), float(told.pop("seconds")), told

    def follow(self, **parts):
        """Starts the clock of a training whose `parts`, objects by their names, have a `state`."""
        self.parts = parts
        self.begun = time.perf_counter() - self.earlier

    @property
    def seconds(self):
        """How long it has been trained, the time before it went on included."""
        return time.perf_counter() - self.begun

    @property
    def state(self):
        """Weights, random states and moments, by their numbers."""
        return {str(number): to_numpy(variable) for number, variable in enumerate(self._variables)}

    @state.setter
    def state(self, state):
        for variable, value in zip(self._variables, state.values(), strict=True):
            variable.assign(value)

    @property
    def _variables(self):
        return [*self.model.variables, *self.model.optimizer.variables]

    def on_train_begin(self, logs=None):
        if self.epochs:
            for name, part in {"variables": self, **self.parts}.items():  # The others may look at the model.
                begin = f"{name}/"
                part.state = {key.removeprefix(begin): v for key, v in self.found.items() if key.startswith(begin)}
            del self.found

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch_begun = self.seconds

    def on_epoch_end(self, epoch, logs=None):
        if not self.path or self.model.stop_training:  # It failed, and would again.
            return
        states = {"variables": self, **self.parts}
        arrays = {f"{name}/{key}": v for name, part in states.items() for key, v in part.state.items()}
        arrays |= {"made_with": json.dumps(self.made_with), "epochs": epoch + 1, "seconds": self.seconds}
        save_sealed(self.path, arrays, lasting=self.seconds - self.epoch_begun > SHORT)
        self.epochs = epoch + 1
