"""Trains one network under several losses and shows what each does to the embedding: see README.md."""

import dataclasses
import shlex
import sys

from startup import hidden_start_up_noise

with hidden_start_up_noise():
    from comparison import baseline_folder, best_rows, cell, compare, run_folder
    from data import Batches, load_dataset, part_of
    from experiment import baseline_settings, run, run_baseline, sample_indices, scores_line
    from losses import LOSSES
    from options import make_settings, parse_options
    from run_folder import ConflictError
    from sources import SourceError
    from terminal import Terminal

QUICK_IMAGES = 10_000, 1_000  # training, validation
COLUMNS = {
    "head\n%": "head_accuracy",
    "nearest\nmean %": "center_accuracy",
    "5-NN\n%": "knn_accuracy",
    "R@1\n%": "recall_at_1",
    "R-pre-\ncision": "r_precision",
    "MAP@R": "map_at_r",
    "intra/\ninter": "distance_ratio",
}


def main(arguments=None):
    """Runs the command line; returns 0, 1 if a loss failed, 2 for bad input, 130 after Ctrl-C."""
    options = parse_options(arguments)
    with hidden_start_up_noise():  # The first look for a GPU.
        settings, reason = make_settings(options)
    command = shlex.join(["python", "main.py", *(sys.argv[1:] if arguments is None else arguments)])
    dataset_path = options.runs / (options.dataset + ("-quick" if options.quick else ""))
    terminal = Terminal()
    try:
        data = load_dataset(options.dataset, terminal.say)
        if options.quick:
            data = part_of(data, *QUICK_IMAGES)
        check(settings, data)
        dataset_path.mkdir(exist_ok=True)
        done = [s for s in settings if folder_of(dataset_path, s).is_done(dataclasses.asdict(s), options.overwrite)]
        baseline_done = baseline_folder(dataset_path).is_done(baseline_settings(settings[0]), options.overwrite)
    except (SourceError, ConflictError, ValueError, OSError) as error:
        terminal.error(str(error))
        return 2
    except KeyboardInterrupt:
        terminal.say("Interrupted.")
        return 130
    terminal.plan(data, settings, reason, dataset_path, done)
    try:
        pending = [s for s in settings if s not in done]
        if pending or not baseline_done:
            train_all(pending, settings[0], data, dataset_path, command, baseline_done, terminal)
        status = 0
    except KeyboardInterrupt:
        terminal.say("Interrupted. Finished runs are kept; the same command, without --overwrite, goes on from there.")
        status = 130
    if baseline_folder(dataset_path).metrics:
        failed = report(dataset_path, settings, terminal)
        status = status or int(failed)
    return status


def check(settings, data):
    """Builds every loss once, so that a bad argument is found before anything is trained.

    Raises:
        ValueError: If a loss refuses its arguments, or t-SNE its perplexity.
    """
    for run_settings in settings:
        try:
            LOSSES[run_settings.loss](data.num_classes, run_settings.embedding_dim, **run_settings.overrides)
        except ValueError as error:
            raise ValueError(f"--set for {run_settings.loss}: {error}") from error
    points = min(len(sample_indices(split, settings[0])) for split in (data.train, data.test))
    if settings[0].perplexity >= points:
        raise ValueError(f"--perplexity {settings[0].perplexity:g}: must be below the {points} images t-SNE shows")


def folder_of(dataset_path, settings):
    return run_folder(dataset_path, settings.loss, settings.seed)


def train_all(pending, shared, data, dataset_path, command, baseline_done, terminal):
    """Runs what is to be run, the baseline first; `shared` are the settings of any run."""
    batches = len(Batches(data.train, 0, shared.sampler)) * shared.epochs
    with terminal.progress(len(pending), batches) as progress:
        baseline = baseline_folder(dataset_path)
        if not baseline_done:
            progress.start("raw pixels")
            run_baseline(shared, data, baseline, command)
            progress.line(f"raw pixels: {scores_line(baseline.metrics['test'])}")
        arrays = baseline.arrays()
        for settings in pending:
            name = f"{settings.loss} seed {settings.seed}"
            progress.start(name)
            metrics = run(settings, data, arrays, folder_of(dataset_path, settings), command, progress)
            progress.finish(f"{name}: {_outcome(metrics)}")


def _outcome(metrics):
    if metrics["status"] == "failed":
        return f"FAILED, {metrics['failure']}"
    timing = metrics["timing"]
    rest = timing["total_seconds"] - timing["train_seconds"]
    return f"{scores_line(metrics['test'])} ({timing['train_seconds']:.0f} s training, {rest:.0f} s the rest)"


def report(dataset_path, settings, terminal):
    """Compares, prints the table and where to look. Returns whether a run of this command failed."""
    rows, others = compare(dataset_path, dataclasses.asdict(settings[0]))
    best = {header: best_rows(rows, score) for header, score in COLUMNS.items()}
    lines = [
        [(_name(row), False)]
        + [(cell(row, score).replace(" ±", "\n±"), row.loss in best[header]) for header, score in COLUMNS.items()]
        + [(f"{sum(row.seconds) / len(row.seconds):.0f}" if row.seconds else "–", False)]
        for row in rows
    ]
    quick = "QUICK · " if settings[0].quick else ""
    terminal.results(f"{quick}{settings[0].dataset}, test images", ["loss", *COLUMNS, "train\ns"], lines)
    if others:
        terminal.say(f"Left out, as their settings differ: {others} of the runs in {dataset_path}.")
    terminal.say(
        f"* best of its column. Pictures: {dataset_path}/comparison_tsne.png, {dataset_path}/comparison_distances.png\n"
        f"TensorBoard: tensorboard --logdir {dataset_path.parent}"
    )
    asked = {(s.loss, s.seed) for s in settings}
    return any((row.loss, seed) in asked for row in rows for seed in row.failed)


def _name(row):
    return f"{row.name} (seed {', '.join(map(str, row.failed))} FAILED)" if row.failed else row.name


if __name__ == "__main__":
    sys.exit(main())
