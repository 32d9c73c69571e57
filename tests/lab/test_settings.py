"""Settings outlive the version that kept them, tell runs apart, and name them."""

import dataclasses
import json
import pathlib

import pytest
from support.runs import write_run

from lab import run_folder
from lab.results import gather
from lab.run_folder import ConflictError, RunFolder
from lab.settings import PIXELS, Settings, as_changes, as_given

CENTER = Settings("digits", "center", seed=0, epochs=6)
OPEN = Settings("mnist", "softmax", seed=3, epochs=15, protocol="open", split=2, perplexity=12.0, quick=True)
SEVERAL = dataclasses.replace(CENTER, loss="a_softmax", overrides={"annealing": (500.0, 0.1, 2.0, 0.0), "margin": 3})
SWEPT = dataclasses.replace(CENTER, overrides={"center_rate": 0.1, "center_weight": 0.5}, sweep="center_weight")
EVERY_KIND = [CENTER, OPEN, SEVERAL, SWEPT, CENTER.of_pixels(), OPEN.of_pixels()]
NAMES = ["closed", "open", "several", "swept", "pixels", "open pixels"]


def kept(settings):
    """Settings as `config.json` has them."""
    return json.loads(json.dumps(settings.to_dict()))


@pytest.mark.parametrize("settings", EVERY_KIND, ids=NAMES)
def test_settings_kept_and_read_are_the_same(settings):
    assert Settings.from_dict(kept(settings)) == settings
    assert Settings.from_dict(kept(settings)).differences(settings) == {}


def test_raw_pixels_keep_what_they_depend_on_and_nothing_else():
    assert OPEN.of_pixels().to_dict() == {
        "dataset": "mnist",
        "content": None,
        "image_size": None,
        "protocol": "open",
        "unseen": None,
        "split": 2,
        "perplexity": 12.0,
        "tsne_iterations": 1000,
        "quick": True,
    }
    assert OPEN.of_pixels().loss == PIXELS
    assert (
        OPEN.of_pixels() == dataclasses.replace(OPEN, loss="center", seed=1, epochs=2, augment=("shift",)).of_pixels()
    )
    assert OPEN.of_pixels() != dataclasses.replace(OPEN, split=3).of_pixels()


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Settings)][4:])
def test_what_an_older_run_does_not_say_is_the_default(field):
    older = {name: value for name, value in kept(CENTER).items() if name != field}
    assert Settings.from_dict(older) == CENTER


@pytest.mark.parametrize(("older", "augment"), [(False, ()), (True, ("shift",))])
def test_an_older_run_whose_images_were_augmented_had_them_shifted(older, augment):
    assert Settings.from_dict(kept(CENTER) | {"augment": older}).augment == augment


@dataclasses.dataclass(frozen=True)
class Later(Settings):
    """Settings as a later version has them."""

    recipe: str = "default"


@pytest.fixture
def later_version(monkeypatch):
    monkeypatch.setattr(run_folder, "Settings", Later)


def later(settings, **changes):
    return dataclasses.replace(Later(**dataclasses.asdict(settings)), **changes)


@pytest.mark.parametrize("settings", EVERY_KIND, ids=NAMES)
def test_a_later_version_knows_the_settings_of_an_older_one(settings):
    found = Later.from_dict(kept(settings))
    assert found.differences(later(settings)) == {}
    assert found.differences(later(settings, recipe="other")) == {"recipe": ("default", "other")}
    assert later(settings).of_pixels() == later(settings.of_pixels())


@pytest.mark.usefixtures("later_version")
def test_a_later_version_skips_and_compares_what_an_older_one_has_done(tmp_path):
    path, pixels = write_run(tmp_path, "center"), write_run(tmp_path, PIXELS)
    asked = later(Settings("digits", "center", seed=0, epochs=2))
    assert RunFolder(path).is_done(asked, overwrite=False) is True
    assert RunFolder(pixels).is_done(asked.of_pixels(), overwrite=False) is True
    with pytest.raises(ConflictError, match=r"\(recipe default, now other\)"):
        RunFolder(path).is_done(dataclasses.replace(asked, recipe="other"), overwrite=False)
    found = gather(tmp_path, asked)
    assert [row.key for row in found.rows] == [PIXELS, "center"]
    assert found.left_out == {}


@pytest.mark.parametrize(
    "change",
    [
        {"recipe": "of a later version"},
        {"overrides": ["center_rate"]},
        {"overrides": None},
        {"sweep": "center_weight"},
        {"augment": None},
    ],
)
def test_what_are_no_settings_of_a_run_is_refused(change):
    with pytest.raises(ValueError, match=r"recipe|overrides|augment"):
        Settings.from_dict(kept(CENTER) | change)


@pytest.mark.parametrize("field", ["dataset", "loss", "seed", "epochs"])
def test_settings_that_lack_what_every_version_has_kept_are_refused(field):
    values = kept(CENTER)
    del values[field]
    with pytest.raises(ValueError, match=field):
        Settings.from_dict(values)


def test_settings_of_nothing_are_refused():
    with pytest.raises(ValueError, match="dataset"):
        Settings.from_dict({})


@pytest.mark.parametrize(
    ("settings", "folder"),
    [
        (CENTER, "center/seed-0"),
        (OPEN, "softmax/split-2-seed-3"),
        (SEVERAL, "a_softmax/seed-0"),
        (SWEPT, "center_weight=0.5/seed-0"),
        (CENTER.of_pixels(), "raw_pixels"),
        (OPEN.of_pixels(), "raw_pixels/split-2"),
    ],
    ids=NAMES,
)
def test_a_run_lies_in_a_folder_that_says_which_it_is(settings, folder):
    assert settings.folder == pathlib.Path(folder)
    assert settings.key == settings.folder.parts[0]


def test_a_run_is_named_by_its_loss_with_its_changes_and_its_seed_and_split():
    assert (CENTER.name, CENTER.changes, CENTER.unit) == ("center", "", "seed 0")
    assert (OPEN.name, OPEN.unit) == ("softmax", "split 2, seed 3")
    assert SEVERAL.name == "a_softmax (annealing=500,0.1,2,0, margin=3)"
    assert SWEPT.changes == as_changes(SWEPT.overrides) == "center_rate=0.1, center_weight=0.5"


@pytest.mark.parametrize(
    ("text", "value"),
    {
        "0.1": 0.1,
        "2": 2.0,
        "1e-07": 1e-7,
        "0.333333333333": 1 / 3,
        "true": True,
        "batch_all": "batch_all",
        "1,0.5": (1.0, 0.5),
        "{}": {},
    }.items(),
)
def test_a_value_is_shown_the_way_the_command_line_takes_it(text, value):
    assert as_given(value) == text


def test_differences_are_in_the_order_of_names_with_both_values_and_without_what_is_ignored():
    other = dataclasses.replace(CENTER, sampler="shuffle", augment=("shift",), seed=1)
    found = CENTER.differences(other)
    assert list(found.items()) == [
        ("augment", ((), ("shift",))),
        ("sampler", ("balanced", "shuffle")),
        ("seed", (0, 1)),
    ]
    assert CENTER.differences(other, ("seed", "augment")) == {"sampler": ("balanced", "shuffle")}


@pytest.mark.parametrize("values", [None, [], "center", 3])
def test_what_is_no_dict_is_no_settings(values):
    with pytest.raises(ValueError, match=r"iterable|unsupported|mapping"):
        Settings.from_dict(values)
