"""A training that was stopped goes on after its last finished epoch, and ends as if nothing had happened."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.small_network import Epochs, few_digits, small_model, small_settings
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lab import backup
from lab.backup import BACKUP, Backup
from lab.estimate import Estimate
from lab.files import read_json, save_json
from lab.film import FIELDS, Film
from lab.health import Health
from lab.log import History, Log
from lab.run_folder import RunFolder
from lab.training import Failure, train
from models import build_model

# Of losses with a state of their own (centers, a learned scale, the step of an annealing, a radius) and without.
LOSSES = ("softmax", "center", "adacos", "a_softmax", "ring", "triplet")


class Stopped(Exception):
    pass


class Stop(keras.callbacks.Callback):
    """Ends a training in the middle of an epoch, from 1, as a kill does."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch + 1

    def on_train_batch_end(self, batch, logs=None):
        if self.now == self.epoch:
            raise Stopped


class Trained:
    """A training in the folder of a run, stopped in an epoch or at its end, and all that it has come to."""

    def __init__(self, path, settings, stop=None, split=None, build=small_model, tensorboard=False):
        data, log, self.seen = few_digits(), Log("python main.py", tensorboard), Epochs()
        self.folder = RunFolder(path)
        self.folder.start(settings, log.command)
        health, self.film = Health(data.validation, settings), Film(data.validation, settings)
        self.model = build(settings, data)
        with log.following(Estimate(1, 10), ""):
            log.begin(settings.title)
            watching = [self.film, *log.callbacks(self.folder, health), self.seen]
            self.backup, self.training = log.backup(self.folder), None
            try:
                images, stops = split or data.train, [Stop(stop)] if stop else []
                self.training = train(self.model, images, health, [*watching, *stops], self.backup, [log.progress])
                log.stage("scoring")
                self.seconds = log.times()[1]
                log.progress.finish("ended")
            except Stopped:
                next(callback for callback in watching if isinstance(callback, History)).on_train_end()
            self.estimate = log.progress.estimate
        self.history = (self.folder.path / "history.csv").read_bytes()

    def assert_same(self, other):
        """That the other training ended in the same way, to the last bit."""
        for mine, theirs in zip(self.variables, other.variables, strict=True):
            np.testing.assert_array_equal(mine, theirs)
        assert self.history == other.history
        assert self.training.best_epoch == other.training.best_epoch
        assert self.training.validation_map_at_r == other.training.validation_map_at_r
        assert len(self.film.frames) == len(other.film.frames) > 0
        for mine, theirs in zip(self.film.frames, other.film.frames, strict=True):
            for name in FIELDS:
                np.testing.assert_array_equal(getattr(mine, name), getattr(theirs, name), strict=True)

    @property
    def variables(self):
        return [np.array(v) for v in [*self.model.variables, *self.model.optimizer.variables]]


@pytest.mark.parametrize("loss", LOSSES)
def test_a_stopped_training_ends_as_an_undisturbed_one_to_the_last_bit(tmp_path, loss, capsys):
    settings = small_settings(loss, epochs=3, augment=("shift",))
    undisturbed = Trained(tmp_path / "undisturbed", settings)
    Trained(tmp_path / "stopped", settings, stop=2)
    again = Trained(tmp_path / "stopped", settings)
    assert len(again.seen.logs) == 2  # The second epoch and the third.
    assert f"{settings.title}: goes on after epoch 1\n" in capsys.readouterr().out
    undisturbed.assert_same(again)


def real(settings, data):
    return build_model(settings, data.image_shape, data.num_classes)


def test_dropout_goes_on_with_its_random_numbers_and_a_film_within_its_epochs_however_often_it_is_stopped(tmp_path):
    many = few_digits().train[np.resize(np.arange(500), 240 * 9)]  # 8 steps a call: frames within the epochs.
    settings = small_settings("center", epochs=3, embedding_dim=2, optimizer="muon")
    undisturbed = Trained(tmp_path / "undisturbed", settings, split=many, build=real)
    assert len(undisturbed.film.frames) > 3
    for stop in (2, 3):
        Trained(tmp_path / "stopped", settings, stop=stop, split=many, build=real)
    again = Trained(tmp_path / "stopped", settings, split=many, build=real)
    assert len(again.seen.logs) == 1
    undisturbed.assert_same(again)


def test_the_best_epoch_is_gone_back_to_though_it_was_before_the_stop(tmp_path):
    settings = small_settings(learning_rate=0.5, epochs=4, seed=1)
    undisturbed = Trained(tmp_path / "undisturbed", settings)
    assert undisturbed.training.best_epoch < 4  # Else nothing would be tried here.
    Trained(tmp_path / "stopped", settings, stop=4)
    undisturbed.assert_same(Trained(tmp_path / "stopped", settings))


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """A training to its end, of a run that did not end."""
    return Trained(tmp_path_factory.mktemp("ended") / "seed-0", small_settings(), tensorboard=True)


@pytest.mark.xdist_group("backup")
def test_what_was_trained_to_its_end_is_not_trained_again(ended):
    again = Trained(ended.folder.path, small_settings(), tensorboard=True)
    assert again.seen.logs == []
    ended.assert_same(again)
    again.folder.save_model(again.model)  # It can be, though no step was made.
    assert len(again.estimate.trained) == 1  # Not taken for raw pixels, which train nothing.


@pytest.mark.parametrize(("short", "lasting"), [(0.0, True), (1000.0, False)])
def test_only_the_state_of_epochs_that_are_not_short_is_forced_to_the_disk(tmp_path, monkeypatch, short, lasting):
    seen = []
    monkeypatch.setattr(backup, "SHORT", short)
    monkeypatch.setattr(backup, "save_sealed", lambda path, arrays, lasting: seen.append(lasting))
    Trained(tmp_path, small_settings())
    assert seen == [lasting] * 2


@pytest.mark.xdist_group("backup")
def test_the_time_before_the_stop_counts(ended):
    again = Trained(ended.folder.path, small_settings())
    assert again.seconds > again.training.train_seconds > again.backup.earlier > 0
    assert again.training.images_per_second == pytest.approx(2 * 480 / again.training.train_seconds)


def steps(path):
    """Steps of the curve of the loss in the events of a folder."""
    curve = EventAccumulator(str(path), {"tensors": 0}).Reload().Tensors("epoch/loss")
    return [event.step for event in curve], [float(tf.make_ndarray(event.tensor_proto)) for event in curve]


def test_tensorboard_has_every_epoch_once(tmp_path):
    settings = small_settings(epochs=3)
    Trained(tmp_path / "stopped", settings, stop=2, tensorboard=True)
    Trained(tmp_path / "stopped", settings, stop=3, tensorboard=True)
    # As if killed between the events of an epoch and its backup.
    events = max((tmp_path / "stopped").glob("*tfevents*"))
    events.write_bytes(events.read_bytes() * 2)
    again = Trained(tmp_path / "stopped", settings, tensorboard=True)
    numbers, losses = steps(tmp_path / "stopped")
    assert numbers == [1, 2, 3]
    assert losses[-1] == pytest.approx(again.seen.logs[-1]["loss"])


def damage(content, how):
    middle = len(content) // 2
    return {
        "empty": b"",
        "cut short": content[:middle],
        "a bit": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
        "a bit of its hash": bytes([content[0] ^ 1]) + content[1:],
        "the last byte": content[:-1] + bytes([content[-1] ^ 1]),
        "another file": b"epoch,loss\n" * 10,
    }[how]


@pytest.mark.xdist_group("backup")
@pytest.mark.parametrize("how", ["empty", "cut short", "a bit", "a bit of its hash", "the last byte", "another file"])
def test_a_damaged_backup_is_not_used_and_that_is_said(ended, tmp_path, how):
    RunFolder(tmp_path).start(small_settings(), "python main.py")
    (tmp_path / BACKUP).write_bytes(damage((ended.folder.path / BACKUP).read_bytes(), how))
    found = Backup(tmp_path)
    assert (found.epochs, found.earlier) == (0, 0)
    assert found.note == "starts over: what was kept of it is damaged"


@pytest.mark.xdist_group("backup")
@pytest.mark.parametrize("changed", ["settings", "versions", "source"])
def test_a_backup_of_other_settings_or_another_version_is_not_used_and_that_is_said(
    ended, tmp_path, monkeypatch, changed
):
    RunFolder(tmp_path).start(small_settings(seed=int(changed == "settings")), "python main.py")
    (tmp_path / BACKUP).write_bytes((ended.folder.path / BACKUP).read_bytes())
    if changed == "source":
        monkeypatch.setattr(backup, "source_code", lambda: "another")
    if changed == "versions":
        config = read_json(tmp_path / "config.json")
        config["versions"]["keras"] = "4.0.0"
        save_json(tmp_path / "config.json", config)
    found, what = Backup(tmp_path), "other settings" if changed == "settings" else "another version"
    assert found.epochs == 0
    assert found.note == f"starts over: what was kept of it is of {what}"


def test_without_a_backup_there_is_nothing_to_say(tmp_path):
    RunFolder(tmp_path).start(small_settings(), "python main.py")
    found = Backup(tmp_path)
    assert (found.epochs, found.note) == (0, None)


def test_a_training_that_failed_is_not_gone_on_with(tmp_path):
    settings = small_settings(learning_rate=1e30)
    with pytest.raises(Failure, match="diverged"):
        Trained(tmp_path, settings)
    assert not (tmp_path / BACKUP).exists()
