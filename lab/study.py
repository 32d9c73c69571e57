"""Every loss on every split and seed that a command asks for: what is done and what is pending, checked."""

import dataclasses
import functools
import pathlib

from evaluation.geometry import NEIGHBORS
from lab.batches import Batches
from lab.checks import check, check_weights
from lab.errors import InputError
from lab.estimate import Estimate
from lab.files import make_folder
from lab.maps import FILM_POINTS, sample_indices
from lab.run_folder import RunFolder, clean
from lab.settings import PIXELS
from lab.turns import Turns, done_now, in_turn, start_over


@dataclasses.dataclass(frozen=True)
class Study:
    """What is to be run, checked.

    Args:
        path: Folder of the data set.
        settings: List of the `Settings` of every run.
        splits: Dict from a split, or None, to its `Dataset`.
        overwrite: Whether what is there when it is planned is to be replaced.
        selections: Dict from the splits to what is known of their `selection`.
    """

    path: pathlib.Path
    settings: list
    splits: dict
    overwrite: bool
    selections: dict = dataclasses.field(default_factory=dict)

    @property
    def interrupted(self):
        """How an interrupted study goes on, in words."""
        if not self.overwrite:
            return "Interrupted. Finished runs are kept; the same command goes on from there."
        return (
            "Interrupted. Finished runs are kept, and those not begun are as before. Delete the folders of these: then "
            "the same command, without --overwrite, goes on from there."
        )

    def folder(self, settings):
        """The `RunFolder` of a run."""
        return RunFolder(self.path / settings.folder)

    def baseline(self, split):
        """The `Settings` and the `RunFolder` of the raw pixels of a split."""
        settings = next(s for s in self.settings if s.split == split).of_pixels()
        return settings, self.folder(settings)

    @functools.cached_property
    def asked(self):
        """Dict from the `RunFolder` of every run, the raw pixels' before the others of a split, to its `Settings`."""
        alike = {split: [s for s in self.settings if s.split == split] for split in self.splits}
        return {self.folder(s): s for split in self.splits for s in (self.baseline(split)[0], *alike[split])}

    @functools.cached_property
    def is_done(self):
        """Function of a `RunFolder`: see `done_now`."""
        return done_now(self.asked, self.overwrite)

    def pixels(self, split):
        """The `Run` of the raw pixels of a split; None if it is to be made."""
        _, folder = self.baseline(split)
        return folder.load() if self.is_done(folder) else None

    def selection(self, split):
        """Which images every run of a split shows, by its raw pixels, which are there."""
        if split not in self.selections:
            if not (pixels := self.pixels(split)):
                path = self.baseline(split)[1].path
                raise InputError(
                    f"{path} has just been emptied by another command. Give this one again when that is done"
                )
            self.selections[split] = pixels.selection()
        return self.selections[split]

    def pending(self, split):
        """The `Settings` of the runs of a split that are to be trained."""
        return [s for s in self.settings if s.split == split and not self.is_done(self.folder(s))]

    def turns(self, log):
        """The `Turns` of what is to be done: the runs, after the raw pixels of their split."""
        baselines = {self.baseline(split)[1] for split in self.splits}
        unfinished = {settings.split for folder, settings in self.asked.items() if not self.is_done(folder)}
        asked = {folder: (s.title, s) for folder, s in self.asked.items() if s.split in unfinished}
        return Turns(asked, self.is_done, log, baselines)

    def in_turn(self, log):
        """Gives the runs that are to be done by this command, one after the other: what each needs, and its `Claim`.

        Those are its `Settings`, its `Dataset` and the `Selection` of what it shows; none of the raw pixels, which come
        before the losses.
        """
        for folder, claim in in_turn(self.turns(log)):
            settings = self.asked[folder]
            shown = None if settings.loss == PIXELS else self.selection(settings.split)
            yield settings, self.splits[settings.split], shown, claim

    @property
    def runs(self):
        """Number of runs that are to be trained."""
        return sum(len(self.pending(split)) for split in self.splits)

    @property
    def batches(self):
        """Batches of the longest run."""
        first = self.settings[0]
        return max(len(Batches.of(data.train, first)) for data in self.splits.values()) * first.epochs

    def estimate(self):
        """The `Estimate` of what is to be done."""
        measured = [pixels.stages for pixels in map(self.pixels, self.splits) if pixels]
        compared = len({s.key for s in self.settings})
        return Estimate(self.runs, self.batches, len(self.splits) - len(measured), measured, compared)

    def has_failed(self):
        """Whether a run that was asked for has failed."""
        return any((folder.metrics() or {}).get("status") == "failed" for folder in self.asked)


def study_of_one(settings, path, options, data):
    """The `Study` of one run in a folder, on a `Dataset` that another process has planned it on.

    Raises:
        InputError: If that had other images, or other weights to start from.
    """
    if (data.name, data.content) != (settings.dataset, settings.content):
        raise InputError(f"{options.dataset} has other images there than here. Copy it, to the same place")
    check_weights(settings)
    return Study(path, [settings], {settings.split: data.hold_out(options.held_out(data)[settings.split])}, False)


def plan(options, data, log):
    """Checks every run that `Options` ask for, on every split of a `Dataset`, and says what is about to happen.

    Raises:
        InputError: If a loss refuses its arguments, the network its images, the sampler its numbers, t-SNE its
            perplexity, a folder cannot be made or holds something that is not to be replaced.
    """
    splits = {split: data.hold_out(classes) for split, classes in options.held_out(data).items()}
    study = Study(options.path, options.settings(data), splits, options.overwrite)
    check(study.settings, splits)
    _check_mapped(splits.values())
    _check_perplexity(study)
    make_folder(options.path)
    asked = [*study.settings, *(settings for settings, _ in map(study.baseline, splits))]
    done = [settings for settings in asked if study.is_done(study.folder(settings))]
    clean(options.path)
    if options.overwrite:
        start_over(map(study.folder, study.settings))
    first = splits[study.settings[0].split]
    log.terminal.plan(first, study.settings, options.precision_reason, options.path)
    for settings in study.settings:
        if settings in done:
            log.skip(settings, study.folder(settings))
    for settings in asked:
        if settings not in done and not options.overwrite and study.folder(settings).is_damaged():
            log.say(f"{settings.title} is done again: what it left in {study.folder(settings).path} is damaged")
    return study


def _check_mapped(splits):
    for data in splits:
        for name, labels in {"training": data.train.labels, "test": data.shown_labels}.items():
            if len(labels) <= NEIGHBORS:
                raise InputError(
                    f"{data.name}: a map of the {name} images is judged by the {NEIGHBORS} nearest of each, and there "
                    f"are {len(labels)} in all. Give it {NEIGHBORS + 1} or more: where parts are drawn, 70 in all, "
                    "five or more of each class, are enough"
                )


def _check_perplexity(study):
    settings, data = study.settings[0], study.splits.values()
    shown = {
        "the map shows only {} training images": [len(sample_indices(d.train.labels, settings)) for d in data],
        "the map shows only {} test images": [len(sample_indices(d.shown_labels, settings)) for d in data],
    }
    if settings.embedding_dim > 2:
        filmed = [len(sample_indices(d.validation.labels, settings, FILM_POINTS)) for d in data]
        shown["the film of the training shows only {} validation images"] = filmed
    what = min(shown, key=lambda what: min(shown[what]))
    fewest = min(shown[what])
    if settings.perplexity >= fewest:
        raise InputError(
            f"--perplexity {settings.perplexity:g}: t-SNE would balance that many neighbours of each image, but "
            f"{what.format(fewest)}. Give a number below {fewest}"
        )
