"""The command line: what it accepts, and what it says to what it does not."""

import dataclasses
import importlib.util
import re

import numpy as np
import pytest
import tensorflow as tf
from support import small_network

from data import Dataset, Split
from lab import machine, options
from lab.changes import parse_changes, parse_sweep
from lab.errors import InputError
from lab.flags import DEFAULT_LOSSES
from lab.options import list_losses, parse_options
from lab.protocols.open import unseen_classes
from losses import LOSSES


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def settings_of(*arguments):
    return small_network.settings_of(parse_options(list(arguments)))


def test_without_flags_it_trains_the_four_losses_on_mnist_with_one_seed():
    settings = settings_of()
    assert tuple(s.loss for s in settings) == DEFAULT_LOSSES
    assert {(s.dataset, s.seed, s.embedding_dim, s.quick) for s in settings} == {("mnist", 0, 64, False)}


def test_every_flag_reaches_the_settings():
    flags = (
        "--dataset digits --losses center --epochs 3 --embedding-dim 8 --model lenet++ --embedding-init normal "
        "--sampler shuffle --augment erase shift --optimizer adamw --learning-rate 0.01 --precision float32 "
        "--set center.center_weight=0.5 "
        "--perplexity 12 --tsne-iterations 300 --protocol open --quick --unseen 0.2"
    )
    (settings,) = settings_of(*flags.split())
    assert dataclasses.asdict(settings) == {
        "backend": "tensorflow",
        "both_sides": False,
        "label_smoothing": 0.0,
        "dataset": "digits",
        "loss": "center",
        "seed": 0,
        "epochs": 3,
        "protocol": "open",
        "split": 0,
        "embedding_dim": 8,
        "model": "lenet++",
        "embedding_init": "normal",
        "sampler": "shuffle",
        "augment": ("shift", "erase"),
        "optimizer": "adamw",
        "learning_rate": 0.01,
        "overrides": {"center_weight": 0.5},
        "sweep": None,
        "precision": "float32",
        "perplexity": 12.0,
        "tsne_iterations": 300,
        "quick": True,
        "content": None,
        "image_size": None,
        "unseen": 0.2,
        "weights": None,
        "weights_content": None,
        "freeze": False,
        "classes_per_batch": None,
        "per_class": None,
    }


def test_all_stands_for_every_loss_and_repeats_count_once():
    assert [s.loss for s in settings_of("--losses", "all")] == list(LOSSES)
    assert [s.loss for s in settings_of("--losses", "center", "center")] == ["center"]


def test_the_open_protocol_trains_every_loss_on_every_split():
    settings = settings_of("--protocol", "open", "--losses", "softmax", "center", "--seeds", "2")
    assert len(settings) == 2 * 2 * 5
    assert [(s.split, s.seed, s.loss) for s in settings[:5]] == [
        *((0, seed, loss) for seed in (0, 1) for loss in ("softmax", "center")),
        (1, 0, "softmax"),
    ]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--protocol open", "--protocol closed"),
        ("--set center.center_rate=0.1", "give it no --set"),
        ("--seeds 2", "no --seeds"),
        ("--losses center ring", "no --losses"),
    ],
)
def test_what_tuning_cannot_go_with_is_refused(flags, message, capsys):
    with pytest.raises(SystemExit):
        parse_options(["--tune", "center", *flags.split()])
    assert message in capsys.readouterr().err


def test_a_sweep_trains_one_loss_with_one_value_after_another_for_each_seed():
    sweep = ["--sweep", "center.center_weight=0,0.5", "--set", "center.center_rate=0.1"]
    options = parse_options([*sweep, "--seeds", "2"])
    assert options.path.name == "mnist-sweep-center.center_weight"
    assert [(s.loss, s.seed, s.sweep, s.overrides) for s in small_network.settings_of(options)] == [
        ("center", seed, "center_weight", {"center_rate": 0.1, "center_weight": value})
        for seed in (0, 1)
        for value in (0.0, 0.5)
    ]


def test_without_tensorboard_the_remedy_is_said_at_once_and_it_can_be_done_without(monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit):
        parse_options([])
    message = capsys.readouterr().err
    assert "pip install tensorboard" in message
    assert "--no-tensorboard" in message
    assert parse_options(["--no-tensorboard"]).tensorboard is False
    assert parse_options(["--embed", "run", "image.png", "--no-tensorboard"]).tensorboard is False


def test_without_dask_a_cluster_is_refused_with_what_to_install(monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit):
        parse_options(["--cluster", "local", "--no-tensorboard"])
    assert "--cluster needs Dask: pip install -r requirements-cluster.txt" in capsys.readouterr().err


def test_the_classes_that_each_split_keeps_from_training_are_known():
    splits, data = unseen_classes("digits", 10), small_network.few_digits()
    for flags, expected in (
        ((), {None: ()}),
        (("--protocol", "open"), splits),
        (("--protocol", "open", "--quick"), {0: splits[0]}),
        (("--protocol", "open", "--splits", "2"), {0: splits[0], 1: splits[1]}),
        (("--protocol", "open", "--unseen", "0.2"), unseen_classes("digits", 10, 0.2)),
    ):
        assert parse_options(["--dataset", "digits", *flags]).held_out(data) == expected


@pytest.mark.parametrize(
    ("flags", "name"),
    [
        ("", "digits"),
        ("--quick", "digits-quick"),
        ("--protocol open", "digits-open"),
        ("--protocol open --quick", "digits-open-quick"),
        ("--recipe default", "digits"),
        ("--recipe fast", "digits-fast"),
        ("--recipe best --protocol open", "digits-best-open"),
        ("--tune center", "digits-tuning"),
        ("--tune center --quick", "digits-tuning-quick"),
        ("--sweep center.center_rate=0.1,1", "digits-sweep-center.center_rate"),
        ("--sweep center.center_rate=0.1,1 --quick", "digits-quick-sweep-center.center_rate"),
    ],
)
def test_what_cannot_be_compared_goes_into_folders_of_its_own(flags, name, tmp_path):
    options = parse_options(["--dataset", "digits", "--runs", str(tmp_path), *flags.split()])
    assert (options.runs, options.path) == (tmp_path, tmp_path / name)


@pytest.mark.parametrize(
    ("flags", "epochs"),
    [
        ("", 3),
        ("--dataset fashion_mnist", 4),
        ("--dataset digits", 15),
        ("--quick", 2),
        ("--quick --epochs 4", 4),
        ("--recipe fast", 1),
        ("--recipe fast --dataset fashion_mnist", 2),
        ("--recipe best", 21),
        ("--embedding-dim 2", 6),
        ("--embedding-dim 2 --epochs 3", 3),
        ("--recipe best --epochs 2", 2),
    ],
)
def test_the_number_of_epochs_suits_the_data_set_unless_it_is_given(flags, epochs):
    assert {s.epochs for s in settings_of(*flags.split())} == {epochs}


def test_the_best_recipe_takes_a_larger_network_and_changes_images_as_their_labels_allow():
    by_set = {name: settings_of("--recipe", "best", "--dataset", name)[0] for name in ("mnist", "fashion_mnist")}
    assert {(settings.model, settings.label_smoothing) for settings in by_set.values()} == {("vgg", 0.1)}
    assert by_set["mnist"].augment == ("shift", "rotate")
    assert by_set["fashion_mnist"].augment == ("shift", "flip", "erase")
    assert {name: settings.both_sides for name, settings in by_set.items()} == {"mnist": False, "fashion_mnist": True}
    digits = settings_of("--recipe", "best", "--dataset", "digits", "--model", "cnn", "--augment", "none")[0]
    assert (digits.model, digits.augment) == ("cnn", ())


@pytest.mark.parametrize(
    ("flags", "augment"), [("", ()), ("--augment", ("shift",)), ("--augment erase shift", ("shift", "erase"))]
)
def test_images_are_augmented_as_asked_whatever_the_order(flags, augment):
    assert settings_of(*flags.split())[0].augment == augment


@pytest.mark.parametrize(
    ("flags", "optimizer", "rate"),
    [
        ("", "muon", 0.02),
        ("--optimizer adamw", "adamw", 0.004),
        ("--model MobileNetV3Small --weights imagenet", "adamw", 0.004),
        ("--learning-rate 0.5", "muon", 0.5),
    ],
)
def test_weights_that_are_given_are_trained_with_adamw_and_others_with_muon(flags, optimizer, rate):
    (settings,) = settings_of("--losses", "softmax", *flags.split())
    assert (settings.optimizer, settings.learning_rate) == (optimizer, rate)


def test_another_file_of_weights_under_the_same_name_is_another_setting(tmp_path):
    file = tmp_path / "own.weights.h5"
    flags = ("--losses", "softmax", "--model", "MobileNetV3Small", "--weights")
    found = []
    for content in (b"old", b"new", b"new"):
        file.write_bytes(content)
        found += settings_of(*flags, str(file))
    assert found[0] != found[1] == found[2]
    assert settings_of(*flags, "imagenet")[0].weights_content is None


def test_the_command_is_kept_as_it_was_typed():
    options = parse_options(["--runs", "two words", "--seeds", "2", "--overwrite"])
    assert options.command == "python main.py --runs 'two words' --seeds 2 --overwrite"
    assert options.overwrite is True


def test_options_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        parse_options([]).dataset = "digits"


@pytest.mark.parametrize(("flags", "trials"), [("", 12), ("--trials 3", 3)])
def test_tuning_takes_one_loss_with_seed_0_and_twelve_trials_unless_told_otherwise(flags, trials):
    options = parse_options(["--tune", "center", *flags.split()])
    assert (options.tune, options.trials) == ("center", trials)
    assert [(s.loss, s.seed, s.overrides) for s in small_network.settings_of(options)] == [("center", 0, {})]


def test_seeds_are_numbered_from_0():
    assert [(s.loss, s.seed) for s in settings_of("--losses", "center", "--seeds", "3")] == [
        ("center", 0),
        ("center", 1),
        ("center", 2),
    ]


def test_a_change_belongs_to_its_loss_only():
    softmax, center = settings_of("--losses", "softmax", "center", "--set", "center.center_rate=0.1")
    assert softmax.overrides == {}
    assert center.overrides == {"center_rate": 0.1}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("triplet.margin=0.5", {"margin": 0.5}),
        ("triplet.mining=batch_all", {"mining": "batch_all"}),
        ("triplet.normalize=false", {"normalize": False}),
        ("triplet.soft_margin=True", {"soft_margin": True}),
    ],
)
def test_values_take_the_type_of_the_default(change, expected):
    assert parse_changes([change]) == {"triplet": expected}


def test_several_numbers_are_given_with_commas():
    assert parse_changes(["a_softmax.annealing=500,0.1,2,0"]) == {"a_softmax": {"annealing": (500, 0.1, 2, 0)}}


def test_a_sweep_is_a_list_of_changes():
    assert parse_sweep("triplet.mining=batch_all,batch_hard") == (
        "triplet",
        [{"mining": "batch_all"}, {"mining": "batch_hard"}],
    )


def test_changes_and_sweeps_that_cannot_be_made_are_bad_input():
    with pytest.raises(InputError, match=r"--set takes LOSS\.ARG=VALUE.*nonsense"):
        parse_changes(["nonsense"])
    with pytest.raises(InputError, match=r"--sweep takes LOSS\.ARG=VALUES.*nonsense"):
        parse_sweep("nonsense")


@pytest.mark.parametrize("name", LOSSES)
def test_every_argument_can_be_set_to_what_the_list_says_is_its_default(name):
    entry = next(entry for entry in list_losses().split("\n\n") if entry.startswith(f"{name}\n"))
    changes = re.findall(r"\w+=\S+", entry)
    parsed = parse_changes([f"{name}.{change}" for change in changes])[name]
    assert parsed == LOSSES[name].options()
    LOSSES[name](10, 8, **parsed)


def test_the_list_says_in_a_line_what_each_loss_does_and_fits_the_terminal():
    for name, entry in zip(LOSSES, list_losses().split("\n\n"), strict=True):
        title, summary, *_ = entry.splitlines()
        assert title == name
        assert summary.endswith(".")
    assert max(map(len, list_losses().splitlines())) <= 80


def test_without_documentation_the_list_has_the_rest(monkeypatch):
    monkeypatch.setattr("inspect.getdoc", lambda loss: None)  # As with python -OO.
    assert list_losses().startswith("softmax\n    softmax_weight=1 label_smoothing=0\n")


def test_list_prints_the_losses_and_trains_nothing(capsys):
    with pytest.raises(SystemExit) as exit_:
        parse_options(["--list"])
    assert exit_.value.code == 0
    assert capsys.readouterr().out == list_losses()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("--losses imagenet", ["unknown loss imagenet. Valid: softmax, center, triplet, triplet_center"]),
        ("--losses sofmax", ["unknown loss sofmax. Did you mean softmax? Valid: softmax, center, triplet"]),
        ("--losses center arc_face", ["unknown loss arc_face. Did you mean arcface? Valid:"]),
        ("--losses ArcFace", ["Did you mean arcface?"]),
        ("--losses softmax,center", ["--losses softmax,center: names are separated by spaces: softmax center"]),
        ("--losses softmax, center,ring", ["names are separated by spaces: softmax center ring"]),
        ("--tune center_loss", ["--tune: unknown loss center_loss. Did you mean center? Valid: softmax"]),
        ("--tune all", ["--tune: unknown loss all"]),
        ("--dataset imagenet", ["imagenet", "mnist, fashion_mnist, digits"]),
        ("--model alexnet", ["alexnet", "cnn, lenet++"]),
        ("--sampler random", ["random", "balanced, shuffle"]),
        ("--precision float16", ["float16", "auto, float32, mixed_bfloat16"]),
        ("--epochs 0", ["--epochs", "from 1 to 10,000", "0"]),
        ("--epochs two", ["--epochs", "whole number", "two"]),
        ("--seeds 0", ["--seeds", "from 1 to 1,000"]),
        ("--seeds 1000000000", ["from 1 to 1,000: 1000000000 would take 1,000,000,000 runs of each loss"]),
        (f"--seeds 1{'0' * 400}", ["--seeds", "from 1 to 1,000"]),
        ("--epochs 1e21", ["--epochs", "from 1 to 10,000", "1e21"]),
        (
            "--losses all --protocol open --seeds 1000 --splits 100",
            ["33 losses x 1,000 seeds x 100 splits are 3,300,0"],
        ),
        ("--embedding-dim 2000000000", ["from 2 to 65,536: 2000000000 would take 1,024.0 GB for the weights"]),
        ("--image-size 100000", ["--image-size", "sides of 8 to 1024", "100000"]),
        ("--perplexity inf", ["--perplexity", "inf"]),
        ("--unseen nan --protocol open", ["--unseen", "from 0.01 to 0.99", "nan"]),
        ("--per-class 1000000000", ["--per-class", "from 2 to 10,000"]),
        (f"--runs {'r' * 100_000}", ["rrr… has 100,000 characters. Give at most 4,096"]),
        ("--runs r\0s", ["NUL", r"'r\x00s'"]),
        ("--epochs 99999999999999999999", ["--epochs", "from 1 to 10,000"]),
        ("--embedding-dim 1000000000000", ["--embedding-dim", "from 2 to 65,536"]),
        ("--embedding-dim 1", ["--embedding-dim", "from 2 to 65,536", "1"]),
        ("--learning-rate 0", ["--learning-rate", "above 0"]),
        ("--learning-rate -1", ["--learning-rate", "above 0", "-1"]),
        ("--learning-rate nan", ["--learning-rate", "nan"]),
        ("--perplexity 1", ["--perplexity", "from 2 to"]),
        ("--tsne-iterations 10", ["--tsne-iterations", "from 300 to"]),
        ("--set center_weight=1", ["LOSS.ARG=VALUE", "center_weight=1"]),
        ("--set center.center_weight", ["LOSS.ARG=VALUE"]),
        ("--set centre.center_weight=1", ["unknown loss centre. Did you mean center.center_weight? Valid: softmax, c"]),
        ("--set centre.weight=1", ["unknown loss centre. Did you mean center.center_weight?"]),
        ("--set centre.momentum=1", ["unknown loss centre. Did you mean center?"]),
        ("--set imagenet.weight=1", ["unknown loss imagenet. Valid: softmax, center"]),
        ("--set center.weight=1", ["center has no weight. Did you mean center.center_weight? Valid, with defaults: "]),
        ("--set center.weight=1", ["center_weight=0.01", "center_rate=0.5"]),
        ("--set triplet_center.weight=1", ["Did you mean triplet_center.triplet_center_weight?"]),
        ("--set triplet.maring=1", ["triplet has no maring. Did you mean triplet.margin?"]),
        ("--set center.xyz=1", ["center has no xyz. Valid, with defaults: "]),
        ("--set center.center_weight=much", ["center_weight=much", "number"]),
        ("--set triplet.margin=1e999", ["margin=1e999", "a number"]),
        ("--set triplet.margin=nan", ["margin=nan", "a number"]),
        (f"--set a_softmax.margin=1{'0' * 400}", ["a whole number"]),
        ("--set triplet.normalize=1", ["true or false"]),
        ("--set a_softmax.annealing=5", ["annealing=5", "4 numbers", "1000,0.12,1,5"]),
        ("--set a_softmax.annealing=1,2,3,x", ["1,2,3,x", "number"]),
        ("--set a_softmax.margin=2.5", ["2.5", "whole number"]),
        ("--set ring.ring_weight=1 --set ring.ring_weight=2", ["ring.ring_weight has a value already"]),
        ("--devices 0", ["--devices", "a whole number from 1 to 1,024, or all", "0"]),
        ("--devices some", ["--devices", "a whole number from 1 to 1,024, or all", "some"]),
        ("--devices 2", ["--devices 2: TensorFlow trains on one. Set KERAS_BACKEND to jax"]),
        ("--devices all", ["--devices all: TensorFlow trains on one. Set KERAS_BACKEND to jax"]),
        ("--embed a b --devices 2", ["give it no --devices"]),
        ("--cluster here", ["--cluster", "must be HOST:PORT of a scheduler, local, or local:3. Received: here"]),
        ("--cluster local:0", ["Received: local:0"]),
        ("--cluster local --tune center", ["each to one device: give it no --tune, no --devices"]),
        ("--cluster host:8786 --devices 2", ["each to one device: give it no --tune, no --devices"]),
        ("--summarize --cluster local:3", ["give it no --cluster"]),
        ("--recipe fast --quick", ["--recipe fast is fewer epochs, and --quick fewer still: leave out one"]),
        ("--trials 3", ["--tune LOSS"]),
        ("--summarize --losses ring --overwrite", ["--summarize", "give it no --losses, --overwrite"]),
        ("--embed runs/mnist/center/seed-0", ["--embed takes the folder of a run, then images", "seed-0 alone"]),
        ("--embed a b --losses ring --quick", ["--embed uses a run as it is: give it no --losses, --quick"]),
        ("--embed a b --summarize", ["give it no --embed"]),
        ("--sweep center.center_weight=1,2 --set triplet.margin=1", ["changes triplet, but --sweep has only center"]),
        ("--augment shift none", ["--augment shift none: none goes with no other name. Leave out it or them"]),
        ("--gallery faces --npz", ["--gallery, --npz: only together with --embed RUN IMAGE"]),
        ("--embed a b --neighbors 13", ["--neighbors", "from 1 to 12"]),
        ("--runs=", ["--runs", "must name a folder"]),
        ("--sweep center", ["--sweep", "LOSS.ARG=VALUES", "center"]),
        ("--sweep center.center_weight=1", ["two values or more", "center.center_weight=1"]),
        ("--sweep center.center_weight=1,1.0", ["each once"]),
        ("--sweep center.center_weight=1,much", ["--sweep center.center_weight=much", "a number"]),
        ("--sweep a_softmax.annealing=1000,0.12,1,5", ["annealing is several numbers"]),
        ("--sweep center.weight=1,2", ["center has no weight. Did you mean center.center_weight?"]),
        ("--sweep center.center_weight=1,2 --losses ring", ["no --losses"]),
        ("--sweep center.center_weight=1,2 --tune center", ["no --tune"]),
        ("--sweep center.center_weight=1,2 --set center.center_weight=3", ["cannot be --set too"]),
        ("--embedding-init zeros", ["zeros", "glorot, normal, uniform"]),
        ("--losses softmax --set center.center_weight=1", ["center", "--losses has only softmax"]),
        ("--runs /proc/nowhere", ["--runs", "/proc/nowhere", "Choose"]),
    ],
)
def test_bad_input_is_refused_with_what_was_given_and_what_is_valid(arguments, told, capsys):
    with pytest.raises(SystemExit) as exit_:
        parse_options(arguments.split())
    message = capsys.readouterr().err
    assert exit_.value.code == 2
    assert message.startswith("main.py: ")
    assert message.endswith("\nSee python main.py --help\n")
    for words in told:
        assert words in message


def test_results_under_a_file_are_refused(tmp_path, capsys):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(SystemExit):
        parse_options(["--runs", str(tmp_path / "file" / "runs")])
    assert "cannot write to --runs" in capsys.readouterr().err


def test_a_file_in_the_place_of_the_results_is_refused(tmp_path, capsys):
    (tmp_path / "digits").write_text("", encoding="utf-8")
    with pytest.raises(SystemExit):
        parse_options(["--dataset", "digits", "--runs", str(tmp_path)])
    assert f"{tmp_path / 'digits'} is a file" in capsys.readouterr().err


def test_a_precision_asked_for_is_taken_as_it_is():
    options = parse_options(["--precision", "float32"])
    assert (options.same["precision"], options.precision_reason) == ("float32", "as asked")


@pytest.fixture
def machine_with(monkeypatch):
    """Function that makes this a machine whose processor has some flags, with a GPU of some capability or none."""

    def make(flags="", capability=None):
        gpus = [] if capability is None else ["gpu"]
        monkeypatch.setattr(machine, "cpu_info", lambda: {"flags": flags})
        monkeypatch.setattr(tf.config, "list_physical_devices", lambda _: gpus)
        details = {"compute_capability": capability}
        monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda _: details)

    return make


@pytest.mark.parametrize(
    ("flags", "policy", "told"),
    [
        ("sse2 amx_bf16 avx512_bf16", "mixed_bfloat16", "AMX"),
        ("sse2 avx512_bf16", "mixed_bfloat16", "AVX512-BF16"),
        ("sse2 avx2", "float32", "no fast bfloat16"),
        ("", "float32", "no fast bfloat16"),
    ],
)
def test_precision_auto_follows_the_processor_and_says_why(flags, policy, told, machine_with):
    machine_with(flags)
    options = parse_options(["--precision", "auto"])
    assert options.same["precision"] == policy
    assert told in options.precision_reason


@pytest.mark.parametrize(
    ("capability", "policy", "told"),
    [((8, 0), "mixed_bfloat16", "fast"), ((9, 0), "mixed_bfloat16", "fast"), ((7, 5), "float32", "no fast bfloat16")],
)
def test_precision_auto_follows_the_gpu_if_there_is_one(capability, policy, told, machine_with):
    machine_with("amx_bf16", capability)
    options = parse_options([])
    assert options.same["precision"] == policy
    assert told in options.precision_reason
    assert "GPU" in options.precision_reason


def test_a_trained_run_is_used_on_images_and_what_is_said_of_them_goes_where_it_is_asked_to(tmp_path):
    options = parse_options(["--embed", "run", "a.png", "b", "--runs", str(tmp_path / "runs")])
    assert [str(path) for path in options.embed] == ["run", "a.png", "b"]
    assert (options.gallery, options.neighbors, options.npz) == (None, None, False)
    assert options.to == tmp_path / "runs" / "embedded"
    assert not (tmp_path / "runs").exists()
    given = ["--embed", "run", "a.png", "--gallery", "faces", "--neighbors", "5", "--npz", "--to", "there"]
    options = parse_options(given)
    assert (str(options.gallery), options.neighbors, options.npz, str(options.to)) == ("faces", 5, True, "there")


def test_a_folder_that_is_not_there_is_not_summarized_nor_made(tmp_path, capsys):
    with pytest.raises(SystemExit):
        parse_options(["--summarize", "--runs", str(tmp_path / "rnus")])
    assert "there is no folder" in capsys.readouterr().err
    assert not (tmp_path / "rnus").exists()


def test_a_setting_without_a_flag_has_its_default(monkeypatch, tmp_path):
    @dataclasses.dataclass(frozen=True)
    class Later(options.Settings):
        recipe: str = "default"

    monkeypatch.setattr(options, "Settings", Later)
    assert {s.recipe for s in settings_of("--runs", str(tmp_path))} == {"default"}


def own_images(count, side=28, **changes):
    """A data set without a name of its own: so many training images, 100 and 60 for validation and test."""
    images, labels = np.zeros((count, side, side, 1), "uint8"), np.arange(count, dtype="int32") % 10
    train, validation, test = (Split(images[:part], labels[:part]) for part in (count, 100, 60))
    return Dataset("birds", train, validation, test, tuple("abcdefghij"), content="0123abcd", **changes)


@pytest.mark.parametrize(
    ("count", "side", "epochs", "model"),
    [(55_000, 28, 6, "cnn"), (100, 28, 100, "cnn"), (25_000, 29, 12, "resnet"), (100_000, 8, 5, "cnn")],
)
def test_what_is_not_said_for_images_of_ones_own_is_chosen_by_their_number_and_size(count, side, epochs, model):
    data, options = own_images(count, side), parse_options(["--dataset", "./birds", "--losses", "softmax"])
    (settings,) = options.settings(data)
    assert (settings.dataset, settings.content, settings.protocol) == ("birds", "0123abcd", "closed")
    assert (settings.epochs, settings.model) == (epochs, model)
    assert settings.perplexity == 20  # Of 60 images.
    given = ("--epochs", "3", "--model", "lenet++", "--perplexity", "12")
    (settings,) = parse_options(["--dataset", "./birds", "--losses", "softmax", *given]).settings(data)
    assert (settings.epochs, settings.model, settings.perplexity) == (3, "lenet++", 12)


def test_a_folder_named_like_a_data_set_is_no_such_data_set():
    options = parse_options(["--dataset", "./mnist", "--losses", "softmax"])
    (settings,) = options.settings(dataclasses.replace(own_images(100), name="mnist"))
    assert settings.epochs == 100
    assert options.path.name == "mnist"


def test_test_classes_that_are_not_trained_on_choose_their_protocol():
    unseen = {"unseen": own_images(100).test, "unseen_names": tuple("ABCDEFGHIJ")}
    data, options = own_images(100, **unseen), parse_options(["--dataset", "./birds", "--losses", "softmax"])
    (settings,) = options.settings(data)
    assert (settings.protocol, settings.split, options.held_out(data)) == ("unseen", None, {None: ()})
    options = parse_options(["--dataset", "./birds", "--protocol", "open"])
    with pytest.raises(InputError, match=r"test images of birds are of other classes.*without --protocol open"):
        options.held_out(data)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--unseen 0.3", "--protocol open"),
        ("--splits 3", "--protocol open"),
        ("--sampler shuffle --per-class 4", "are of the balanced one"),
        ("--sampler shuffle --classes-per-batch 4", "are of the balanced one"),
        ("--model efficientnetv2b0", "Did you mean EfficientNetV2B0?"),
        ("--weights imagenet", "--model EfficientNetV2B0"),
        ("--model resnet --weights imagenet", "--model EfficientNetV2B0"),
        ("--model EfficientNetV2B0 --freeze", "--weights"),
        ("--image-size 64x", "as 64 or 128x64. Received: 64x"),
        ("--image-size 4", "sides of 8 to 1024"),
    ],
)
def test_what_is_said_of_images_and_networks_has_to_go_together(flags, message, capsys):
    with pytest.raises(SystemExit):
        parse_options(flags.split())
    assert message in capsys.readouterr().err


def test_an_image_size_is_its_height_and_width():
    assert parse_options(["--dataset", "./birds", "--image-size", "64"]).image_size == (64, 64)
    options = parse_options(["--dataset", "./birds", "--image-size", "128x64"])
    assert (options.image_size, options.same["image_size"]) == ((128, 64), None)  # Its content tells.
    assert parse_options(["--image-size", "32x40"]).same["image_size"] == "32x40"
