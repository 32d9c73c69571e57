"""Trains one network under several losses and shows what each does to the embedding: see README.md."""

import pathlib

from lab.flags import make_parser
from lab.startup import hidden_start_up_noise, open_closed_streams, show_every_character

if __name__ == "__main__":
    open_closed_streams()
    show_every_character()
    make_parser().parse_args()  # Answers --help, --version and a wrong flag before what takes long.
with hidden_start_up_noise("Loading Keras ..."):
    from data import load_dataset
    from lab.baseline import keep_pixels, kept_pixels
    from lab.dispatch import Job, share_out
    from lab.film import Film
    from lab.follow import follow, lead
    from lab.health import Health
    from lab.hosts import alone, company
    from lab.log import Log
    from lab.measure import measure, measure_pixels
    from lab.options import parse_options
    from lab.recognition import recognize
    from lab.results import gather, gather_all, gathered
    from lab.run import Run
    from lab.study import plan, study_of_one
    from lab.training import Failure, announce, own, train
    from lab.tuning import tune
    from models import build_model
    from visualize import CAPTIONS, comparison_pictures, run_pictures, training_pictures


def main(arguments=None):
    """Runs the command line; returns the status that it ends with: see `Log`."""
    options = parse_options(arguments)
    if company().number:
        follow(options, load_dataset)
    with Log(options.command, options.tensorboard) as log:
        if options.summarize:
            for found in gather_all(options.runs):
                with gathered(found.path) as results:
                    log.results(results, comparison_pictures(results), CAPTIONS)
        elif options.embed:
            recognize(options, load_dataset, log)
        else:
            data = load_dataset(options.dataset, log.say, options.quick, options.image_size, log.track)
            lead(data)
            (tune if options.tune else run_study)(options, data, log)
    company().dismiss(log.status)
    return log.status


def run_study(options, data, log):
    """Every loss on every split and seed that neither is done yet nor another command does, then all side by side."""
    study = plan(options, data, log)  # All is checked.
    log.terminal.displaced(gather(study.path, *study.settings), study.asked)
    with log.following(study.estimate(), study.interrupted):
        for _ in share_out(study, options, log) if options.cluster else run_here(study, log):
            with gathered(study.path, *study.settings) as results:
                log.tables(results, CAPTIONS)
    with gathered(study.path, *study.settings) as results:
        log.compare(results, comparison_pictures, CAPTIONS)
    log.status = log.status or int(study.has_failed())


def run_here(study, log):
    """The runs of a study, one after the other; gives the `Settings` of each of a loss that has ended."""
    for settings, known, shown, claim in study.in_turn(log):
        with log.holding(claim):
            if not shown:  # Of all runs, the raw pixels come first.
                run_pixels(settings, known, study.folder(settings), log)
            else:
                run_loss(settings, known, shown, study.folder(settings), log)
                yield settings


def run_alone(folder):
    """One run of a study, in a process that a worker of a cluster has started for it: see `lab.worker`."""
    job = Job.received(folder)
    with Log(job.command, job.tensorboard) as log:
        options, settings = job.opened()
        # What there is to say of it, the command has said.
        data = load_dataset(options.dataset, lambda line: None, options.quick, options.image_size, log.track)
        study = study_of_one(settings, pathlib.Path(folder), options, data)
        with log.following(study.estimate(), "Interrupted."):
            for _ in run_here(study, log):
                pass
    return log.status


def run_pixels(settings, data, folder, log):
    """The raw pixels as if they were embeddings: what every loss has to beat, and which images every run shows."""
    folder.start(settings, log.command, data.source)
    log.begin(settings.title)
    if kept := kept_pixels(settings, data):
        log.end(folder, kept, times=(kept.stages, kept.total_seconds))
    else:
        keep_pixels(log.end(folder, measure_pixels(data, settings, log.stage, folder.tsne)), data)


def run_loss(settings, data, shown, folder, log):
    """One loss, from its name to its folder: train, measure, draw, log, save."""
    folder.start(settings, log.command, data.source)
    log.begin(settings.title)
    announce(settings, film=True)
    model = build_model(settings, data.image_shape, data.num_classes)
    health, film = Health(data.validation, settings), Film(data.validation, settings, shown.colored, folder.tsne)
    try:
        watching = [film, *log.callbacks(folder, health)]
        training = train(model, data.train, health, watching, log.backup(folder), [log.progress])
        with alone():
            folder.save_model(model)
            measured = measure(own(model, settings, data), data, shown, settings, log.stage, folder.tsne, film)
        run = measured.trained(training)
    except Failure as failure:
        run = Run.failed(settings, data, failure)
    log.stage("drawing")
    pictures = run_pictures(run) + training_pictures(film, run)
    log.run(folder, run, pictures, data)
    log.end(folder, run, pictures, film)  # Its metrics.json comes last: now it counts.


if __name__ == "__main__":
    raise SystemExit(main())
