"""Trains one network under several losses and shows what each does to the embedding: see README.md."""

import dataclasses
import shlex
import sys

from startup import hidden_start_up_noise

with hidden_start_up_noise():
    from comparison import baseline_folder, gather, run_folder
    from data import Batches, load_dataset, part_of
    from experiment import baseline_settings, run, run_baseline, sample_indices
    from held_out import held_out_classes, hold_out
    from losses import LOSSES
    from options import as_given, make_settings, parse_options
    from run_folder import ConflictError, RunFolder
    from scores import SCORES, SHORT, scores_line
    from sources import SourceError
    from summary import draw, write_tables
    from terminal import Terminal
    from tuning import best_trial, draw_trials, run_trial

QUICK_IMAGES = 10_000, 1_000  # training, validation


def main(arguments=None):
    """Runs the command line; returns 0, 1 if a loss failed, 2 for bad input, 130 after Ctrl-C."""
    options = parse_options(arguments)
    terminal = Terminal()
    if options.summarize:
        return summarize(options.runs, terminal)
    with hidden_start_up_noise():  # The first look for a GPU.
        settings, reason = make_settings(options)
    command = shlex.join(["python", "main.py", *(sys.argv[1:] if arguments is None else arguments)])
    kind = "-open" * (options.protocol == "open") + "-tuning" * bool(options.tune) + "-quick" * options.quick
    path = options.runs / (options.dataset + kind)
    try:
        data = datasets(options, settings, terminal)
        check(settings, data)
        path.mkdir(exist_ok=True)
        if options.tune:
            return tune(options, settings[0], data[None], path / options.tune, command, terminal)
        done = [s for s in settings if run_folder(path, s).is_done(dataclasses.asdict(s), options.overwrite)]
        baselines_done = {
            split
            for split in data
            if baseline_folder(path, split).is_done(baseline_settings(first_of(settings, split)), options.overwrite)
        }
    except (SourceError, ConflictError, ValueError, OSError) as error:
        terminal.error(str(error))
        return 2
    except KeyboardInterrupt:
        terminal.say("Interrupted.")
        return 130
    terminal.plan(data[settings[0].split], settings, reason, path, done)
    try:
        pending = [s for s in settings if s not in done]
        train_all(pending, settings, data, path, command, baselines_done, terminal)
        status = 0
    except KeyboardInterrupt:
        terminal.say("Interrupted. Finished runs are kept; the same command, without --overwrite, goes on from there.")
        status = 130
    results = gather(path, dataclasses.asdict(settings[0]))
    if results.rows:
        report(results, terminal)
    asked = {run_folder(path, s).path for s in settings}
    failed = any(run.path in asked for row in results.rows for run in row.failed)
    return status or int(failed)


def datasets(options, settings, terminal):
    """The data of every split, by its number; without held-out classes all of it, under None."""
    data = load_dataset(options.dataset, terminal.say)
    if options.quick:
        data = part_of(data, *QUICK_IMAGES)
    if options.protocol == "closed":
        return {None: data}
    classes = held_out_classes(data.name, data.num_classes)
    return {split: hold_out(data, classes[split]) for split in dict.fromkeys(s.split for s in settings)}


def first_of(settings, split):
    """Any settings of a split: what its baseline needs is the same in all."""
    return next(s for s in settings if s.split == split)


def check(settings, data):
    """Builds every loss once, so that a bad argument is found before anything is trained.

    Raises:
        ValueError: If a loss refuses its arguments, or t-SNE its perplexity.
    """
    for s in settings:
        try:
            LOSSES[s.loss](data[s.split].num_classes, s.embedding_dim, **s.overrides)
        except ValueError as error:
            raise ValueError(f"--set for {s.loss}: {error}") from error
    labels = (found for split in data.values() for found in (split.train.labels, split.shown[0]))
    points = min(len(sample_indices(found, settings[0])) for found in labels)
    if settings[0].perplexity >= points:
        raise ValueError(f"--perplexity {settings[0].perplexity:g}: must be below the {points} images t-SNE shows")


def train_all(pending, settings, data, path, command, baselines_done, terminal):
    """Runs what is to be run, split by split, the baseline of each first; the tables grow with every run."""
    if not pending and baselines_done == data.keys():
        return
    batches = max(len(Batches(split.train, 0, settings[0].sampler)) for split in data.values()) * settings[0].epochs
    with terminal.progress(len(pending), batches) as progress:
        for split, split_data in data.items():
            baseline = baseline_folder(path, split)
            if split not in baselines_done:
                progress.start("raw pixels")
                run_baseline(first_of(settings, split), split_data, baseline, command)
                progress.line(f"raw pixels: {scores_line(settings[0].protocol, baseline.metrics['test'])}")
            arrays = baseline.arrays()
            for s in (s for s in pending if s.split == split):
                name = f"{s.loss} {s.unit}"
                progress.start(name)
                metrics = run(s, split_data, arrays, run_folder(path, s), command, progress)
                progress.finish(f"{name}: {_outcome(metrics)}")
                write_tables(gather(path, dataclasses.asdict(s)))


def _outcome(metrics):
    if metrics["status"] == "failed":
        return f"FAILED, {metrics['failure']}"
    timing = metrics["timing"]
    rest = timing["total_seconds"] - timing["train_seconds"]
    line = scores_line(metrics["protocol"], metrics["test"])
    return f"{line} ({timing['train_seconds']:.0f} s training, {rest:.0f} s the rest)"


def tune(options, settings, data, path, command, terminal):
    """Tries values for the numbers that a loss takes, and says which did best on the validation images.

    Raises:
        ValueError: If the loss takes no number.
        ConflictError: If a trial's folder holds something else.
    """
    drawn = draw_trials(settings.loss, options.trials, data.num_classes, settings.embedding_dim)
    trials = {
        RunFolder(path / f"trial-{number}"): dataclasses.replace(settings, overrides=overrides)
        for number, overrides in enumerate(drawn)
    }
    pending = [f for f, s in trials.items() if not f.is_done(dataclasses.asdict(s), options.overwrite)]
    batches = len(Batches(data.train, 0, settings.sampler)) * settings.epochs
    with terminal.progress(len(pending), batches) as progress:
        for folder in pending:
            progress.start(f"{settings.loss} {folder.path.name}")
            metrics = run_trial(trials[folder], data, folder, command, progress)
            progress.finish(f"{folder.path.name}: {_trial(metrics)}")
    return report_trials(settings.loss, [folder.metrics for folder in trials], path, terminal)


def report_trials(loss, trials, path, terminal):
    """Prints the trials, the best first, and the flags of the best. Returns 1 if all failed."""
    ranked = sorted(trials, key=lambda metrics: -metrics.get("validation_map_at_r", -1))
    terminal.say("\n".join(f"{_trial(metrics)}" for metrics in ranked))
    best = best_trial(trials)
    if best is None:
        terminal.error(f"--tune {loss}: every trial failed; see {path}")
        return 1
    flags = " ".join(f"--set {loss}.{name}={as_given(value)}" for name, value in best["overrides"].items())
    terminal.say(f"Best of {len(trials)} on the validation images: {flags or 'the defaults'}")
    return 0


def _trial(metrics):
    values = " ".join(f"{name}={as_given(value)}" for name, value in metrics["overrides"].items()) or "the defaults"
    if metrics["status"] == "failed":
        return f"FAILED {values}: {metrics['failure']}"
    return f"validation MAP@R {metrics['validation_map_at_r']:.4f} {values}"


def summarize(runs, terminal):
    """Rebuilds the tables and pictures of every data set from its run folders alone."""
    found = 0
    for path in sorted(path for path in runs.iterdir() if path.is_dir()):
        try:
            results = gather(path)
        except ValueError:
            continue  # Not the folder of a data set.
        report(results, terminal)
        found += 1
    if not found:
        terminal.error(f"--summarize: no finished run of this version in {runs}")
    return 0 if found else 2


def report(results, terminal):
    """Writes the comparison, prints its table and where to look."""
    write_tables(results)
    draw(results)
    scores = SCORES[results.protocol]
    best = {name: results.best(name) for name in SHORT[results.protocol]}
    lines = [
        [(_name(row), False)]
        + [(results.cell(row, name).replace(" ±", "\n±"), row.loss in best[name]) for name in best]
        + [(f"{sum(row.seconds) / len(row.seconds):.0f}" if row.seconds else "–", False)]
        for row in results.rows
    ]
    terminal.results(
        f"{results.title}, test images", ["loss", *(scores[name].short for name in best), "train\ns"], lines
    )
    for reason, paths in results.left_out.items():
        terminal.say(f"Left out, {reason}: {', '.join(map(str, paths))}")
    terminal.say(
        f"* best of its column; all scores: {results.path}/SUMMARY.md\n"
        f"Pictures: {results.path}/comparison_tsne.png, {results.path}/comparison_distances.png\n"
        f"TensorBoard: tensorboard --logdir {results.path.parent}"
    )


def _name(row):
    failed = ", ".join(run.path.name.replace("-", " ") for run in row.failed)
    return f"{row.name} ({failed} FAILED)" if failed else row.name


if __name__ == "__main__":
    sys.exit(main())
