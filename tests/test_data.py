"""Data sets and their parts, on images whose pixels say which image they are."""

import dataclasses
import re

import numpy as np
import pytest
from sklearn.datasets import load_digits
from support.datasets import make_dataset
from support.numbered_images import counts_of, mixed_labels, numbered_images, numbers_of

from data import load_dataset, part_of
from lab.errors import InputError
from lab.sources import SOURCES, Source
from lab.sources.found import Found


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


def test_digits_have_three_parts_of_28_by_28_bytes(digits):
    assert [len(part) for part in (digits.train, digits.validation, digits.test)] == [1197, 200, 400]
    for part in (digits.train, digits.validation, digits.test):
        assert part.images.shape == (len(part), 28, 28, 1)
        assert part.images.dtype == np.uint8
        assert part.labels.dtype == np.int32
        assert set(part.labels) == set(range(10))


def test_digits_describe_themselves(digits):
    assert (digits.name, digits.num_classes, digits.image_shape) == ("digits", 10, (28, 28, 1))
    assert digits.class_names == tuple("0123456789")


def test_the_first_digit_is_enlarged_three_times_with_a_border_of_two(digits):
    # Its first row is 0 0 5 13 9 1 0 0, in 16ths of 255.
    row = [0] * 2 + [0] * 6 + [80] * 3 + [207] * 3 + [143] * 3 + [16] * 3 + [0] * 6 + [0] * 2
    zeros = np.concatenate([part.images[part.labels == 0] for part in (digits.train, digits.validation, digits.test)])
    (first,) = [image for image in zeros[..., 0] if all(np.array_equal(image[line], row) for line in (2, 3, 4))]
    assert not first[:2].any()
    assert not first[26:].any()
    for line in range(8):
        for column in range(8):
            block = first[2 + 3 * line : 5 + 3 * line, 2 + 3 * column : 5 + 3 * column]
            assert (block == round(load_digits().images[0, line, column] * 255 / 16)).all()


def test_every_digit_of_scikit_learn_is_in_one_part_with_its_label(digits):
    source = load_digits()
    expected = sorted(
        (int(label), np.pad(image.repeat(3, 0).repeat(3, 1) * 15.9375, 2).round().astype(np.uint8).tobytes())
        for image, label in zip(source.images, source.target, strict=True)
    )
    found = sorted(
        (int(label), image.tobytes())
        for part in (digits.train, digits.validation, digits.test)
        for image, label in zip(part.images, part.labels, strict=True)
    )
    assert found == expected


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_every_part_of_the_digits_has_the_classes_in_proportion(digits, part):
    labels = getattr(digits, part).labels
    expected = np.array(counts_of(load_digits().target)) * len(labels) / 1797
    assert np.abs(counts_of(labels) - expected).max() < 1.5


def test_digits_are_the_same_every_time(digits):
    again = load_dataset("digits")
    for part in ("train", "validation", "test"):
        np.testing.assert_array_equal(getattr(again, part).images, getattr(digits, part).images)
        np.testing.assert_array_equal(getattr(again, part).labels, getattr(digits, part).labels)


def read_from(monkeypatch, name, read):
    monkeypatch.setitem(SOURCES, name, dataclasses.replace(SOURCES[name], read=read))


def test_a_downloaded_data_set_holds_out_5000_training_images(monkeypatch):
    images, labels = np.zeros((6000, 2, 2), np.uint8), np.arange(6000) % 10
    found = {"fashion_mnist": (images, labels, images[:30], labels[:30])}
    read_from(monkeypatch, "fashion_mnist", lambda name, report: found[name])
    fashion = load_dataset("fashion_mnist")
    assert [len(part) for part in (fashion.train, fashion.validation, fashion.test)] == [1000, 5000, 30]
    assert (fashion.name, fashion.class_names[0], fashion.class_names[9]) == (
        "fashion_mnist",
        "T-shirt/top",
        "Ankle boot",
    )


def test_an_unknown_data_set_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match=r"cifra10 is not there.*mean cifar10.*mnist, fashion_mnist, digits"):
        load_dataset("cifra10")


def test_a_first_look_has_10000_images_for_training_1000_for_validation_and_all_test_images(monkeypatch):
    images, labels = np.zeros((16_000, 1, 1), np.uint8), np.arange(16_000) % 10
    read_from(monkeypatch, "mnist", lambda name, report: (images, labels, images[:30], labels[:30]))
    for quick, sizes in ((False, [11_000, 5000, 30]), (True, [10_000, 1000, 30])):
        assert [len(split) for split in load_dataset("mnist", quick=quick).parts.values()] == sizes


def test_what_a_source_reports_is_passed_on(monkeypatch):
    def read(name, report):
        report(f"{name} found")
        return images, np.arange(6000) % 10, images[:20], np.arange(20) % 10

    images, told = np.zeros((6000, 1, 1), np.uint8), []
    read_from(monkeypatch, "mnist", read)
    load_dataset("mnist", told.append)
    assert told == ["mnist found"]


@pytest.fixture
def arrays():
    """Arguments of `make_dataset`: 40 + 20 + 60 training images, 12 of them for validation, and 9 test images."""
    return {
        "name": "toy",
        "train": (numbered_images(120), mixed_labels(40, 20, 60)),
        "test": (numbered_images(9), np.arange(9) % 3),
        "class_names": ["a", "b", "c"],
        "validation": 12,
    }


def with_images(arrays, change):
    """The same arguments with other images, which a function makes of the images."""
    return arrays | {part: (change(arrays[part][0]), arrays[part][1]) for part in ("train", "test")}


def test_the_validation_part_has_every_class_in_proportion(arrays):
    toy = make_dataset(**arrays)
    assert counts_of(toy.validation.labels) == [4, 2, 6]
    assert counts_of(toy.train.labels) == [36, 18, 54]


def test_every_training_image_is_in_one_part_with_its_label(arrays):
    toy = make_dataset(**arrays)
    numbers = np.concatenate([numbers_of(toy.train.images), numbers_of(toy.validation.images)])
    assert sorted(numbers) == list(range(120))
    labels = np.concatenate([toy.train.labels, toy.validation.labels])
    np.testing.assert_array_equal(labels, arrays["train"][1][numbers])


def test_the_test_part_stays_as_it_is(arrays):
    toy = make_dataset(**arrays)
    np.testing.assert_array_equal(toy.test.images, arrays["test"][0])
    np.testing.assert_array_equal(toy.test.labels, arrays["test"][1])


def test_the_validation_part_does_not_depend_on_numpys_seed(arrays):
    chosen = []
    for seed in (1, 2):
        np.random.seed(seed)
        chosen.append(numbers_of(make_dataset(**arrays).validation.images))
    np.testing.assert_array_equal(*chosen)


@pytest.mark.parametrize("dtype", ["uint16", "int64", "float32", "float64"])
def test_whole_numbers_of_any_type_become_bytes(arrays, dtype):
    toy = make_dataset(**with_images(arrays, lambda images: images.astype(dtype)))
    assert toy.train.images.dtype == toy.test.images.dtype == np.uint8
    np.testing.assert_array_equal(toy.test.images, arrays["test"][0])


def test_labels_become_int32(arrays):
    images, labels = arrays["train"]
    toy = make_dataset(**arrays | {"train": (images, labels.astype(np.uint8))})
    assert {part.labels.dtype for part in (toy.train, toy.validation, toy.test)} == {np.dtype("int32")}


def test_images_without_channels_get_one(arrays):
    toy = make_dataset(**with_images(arrays, lambda images: images[..., 1]))
    assert toy.image_shape == (4, 4, 1)
    np.testing.assert_array_equal(toy.test.images[..., 0], arrays["test"][0][..., 1])


def with_value(array, value):
    """A copy as floats with one changed value."""
    array = array.astype(float)
    array.flat[5] = value
    return array


REFUSED = {
    "flat images": (lambda x, y: (x.reshape(len(x), -1), y), r"must be \(n, height, width.*\(9, 48\)"),
    "five dimensions": (lambda x, y: (x[..., None], y), r"must be \(n, height, width.*\(9, 4, 4, 3, 1\)"),
    "two channels": (lambda x, y: (x[..., :2], y), r"\(1, 3, 4\) channels.*\(9, 4, 4, 2\)"),
    "no images": (lambda x, y: (x[:0], y[:0]), r"must be \(n, height, width.*\(0, 4, 4, 3\)"),
    "a label too few": (lambda x, y: (x, y[:-1]), r"one label per image.*\(9, 4, 4, 3\).*\(8,\)"),
    "one-hot labels": (lambda x, y: (x, np.eye(3, dtype=int)[y]), r"one label per image.*\(9, 3\)"),
    "a NaN pixel": (lambda x, y: (with_value(x, np.nan), y), r"in \[0, 255\].*nan"),
    "an infinite pixel": (lambda x, y: (with_value(x, np.inf), y), r"in \[0, 255\].*inf"),
    "a negative pixel": (lambda x, y: (with_value(x, -1), y), r"in \[0, 255\].*-1"),
    "a pixel of 256": (lambda x, y: (with_value(x, 256).astype(np.uint16), y), r"in \[0, 255\].*to 256"),
    "float labels": (lambda x, y: (x, y.astype(float)), "must be integers.*float64"),
    "a negative label": (lambda x, y: (x, with_value(y, -1).astype(int)), r"in \[0, 3\).*-1 to 2"),
    "a label too high": (lambda x, y: (x, with_value(y, 3).astype(int)), r"in \[0, 3\).*0 to 3"),
}


@pytest.mark.parametrize("part", ["train", "test"])
@pytest.mark.parametrize("case", REFUSED)
def test_refuses_what_is_no_data_set(arrays, part, case):
    spoil, message = REFUSED[case]
    with pytest.raises(InputError, match=f"^toy {part}: .*{message}"):
        make_dataset(**arrays | {part: spoil(*arrays["test"])})


def test_part_of_a_data_set_has_fewer_images_in_proportion(arrays):
    whole = make_dataset(**arrays)
    part = part_of(whole, 54, 6)
    assert counts_of(part.train.labels) == [18, 9, 27]
    assert counts_of(part.validation.labels) == [2, 1, 3]
    for smaller, larger in ((part.train, whole.train), (part.validation, whole.validation)):
        assert set(numbers_of(smaller.images)) < set(numbers_of(larger.images))
        np.testing.assert_array_equal(smaller.labels, arrays["train"][1][numbers_of(smaller.images)])


def test_part_of_a_data_set_keeps_its_test_part_and_names(arrays):
    whole = make_dataset(**arrays)
    part = part_of(whole, 54, 6)
    np.testing.assert_array_equal(part.test.images, whole.test.images)
    assert (part.name, part.class_names) == ("toy", ("a", "b", "c"))


def test_part_of_a_small_data_set_is_all_of_it(arrays):
    whole = make_dataset(**arrays)
    part = part_of(whole, 10_000, 1_000)
    np.testing.assert_array_equal(part.train.images, whole.train.images)
    np.testing.assert_array_equal(part.validation.images, whole.validation.images)


def test_pixels_between_0_and_1_are_refused_with_the_remedy():
    images, labels = np.random.default_rng(0).random((40, 4, 4)), np.arange(40) % 4
    with pytest.raises(InputError, match=r"whole numbers in \[0, 255\].*multiplying by 255"):
        make_dataset("grey", (images, labels), (images, labels), "abcd", 8)


def test_images_need_not_be_square_but_alike(arrays):
    def wide(images):
        return np.concatenate([images, images], axis=2)

    toy = make_dataset(**with_images(arrays, wide))
    assert toy.train.images.shape == (108, 4, 8, 3)
    images, labels = arrays["test"]
    with pytest.raises(InputError, match=r"toy: the parts differ in the shape.*\(4, 4, 3\), \(4, 8, 3\)"):
        make_dataset(**arrays | {"test": (wide(images), labels)})


def test_a_class_that_validation_leaves_no_image_to_train_on_is_refused_by_its_name(arrays):
    toy = {"train": (numbered_images(172), np.repeat(range(4), (110, 2, 58, 2))), "validation": 168}
    with pytest.raises(InputError, match=r"^toy train: every class needs an image beside the 168.* out: shoe, bag$"):
        make_dataset(**arrays | toy | {"class_names": ["hat", "shoe", "coat", "bag"]})


def test_a_class_of_one_image_is_trained_on_and_has_none_for_validation(arrays):
    toy = {"train": (numbered_images(120), mixed_labels(60, 1, 58, 1)), "class_names": "abcd"}
    toy = make_dataset(**arrays | toy)
    assert counts_of(toy.train.labels) == [54, 1, 52, 1]
    assert counts_of(toy.validation.labels) == [6, 0, 6]
    assert toy.num_classes == 4


def test_a_class_without_images_is_left_out_and_said(arrays, capsys):
    toy = make_dataset(**arrays | {"class_names": "abcdefghij"})
    assert toy.class_names == ("a", "b", "c")
    assert capsys.readouterr().out == "toy: no images of d, e, f, g, h and 2 more\n"


def test_one_class_is_refused(arrays):
    with pytest.raises(InputError, match=r"^toy train: needs images of two classes"):
        make_dataset(**arrays | {"train": (numbered_images(120), np.zeros(120, int))})


def test_test_images_of_some_classes_that_are_not_trained_on_are_left_out_and_said(arrays, capsys):
    toy = make_dataset(**arrays | {"train": (numbered_images(120), 2 * mixed_labels(60, 60))})
    assert toy.class_names == ("a", "c")
    assert toy.test.labels.tolist() == [0, 1] * 3
    assert numbers_of(toy.test.images).tolist() == [0, 2, 3, 5, 6, 8]
    assert "toy test: left out 3 images of classes that have none to train on: b" in capsys.readouterr().out
    assert toy.unseen is None


def test_test_images_of_other_classes_than_those_trained_on_are_judged_as_unseen(arrays):
    labels = np.arange(9) % 3
    toy = make_dataset(**arrays | {"test": (numbered_images(9), labels + 3), "class_names": "abcdef"})
    assert (toy.class_names, toy.unseen_names) == (tuple("abc"), tuple("def"))
    assert (len(toy.test), len(toy.unseen)) == (0, 9)
    assert toy.unseen.labels.tolist() == labels.tolist()
    assert list(toy.parts) == ["train", "validation", "unseen"]
    assert (toy.judged_part, toy.shown_names) == ("unseen", ("a", "b", "c", "d*", "e*", "f*"))
    assert toy.shown_labels.tolist() == (labels + 3).tolist()
    np.testing.assert_array_equal(toy.shown_images(np.arange(9)), toy.unseen.images)


def one_level(*counts, on_disk=None):
    """A source that does not tell its parts apart."""
    images = numbered_images(sum(counts))
    if on_disk:
        np.save(on_disk, images)
        images = np.load(on_disk, mmap_mode="r")
    names = tuple(f"c{number}" for number in range(len(counts)))
    return Found("own", names, {"train": (images, mixed_labels(*counts))}, content="abc")


@pytest.fixture
def load(monkeypatch):
    """Function that loads what a source has found."""

    def load(found, **arguments):
        monkeypatch.setattr("data.read", lambda *_: found)
        return load_dataset("own", **arguments)

    return load


@pytest.mark.parametrize("on_disk", [False, True])
def test_a_source_of_one_level_is_parted_by_class_whether_or_not_it_is_in_memory(load, tmp_path, on_disk):
    sizes = 100, 20, 5, 4, 3, 3, 3, 3, 2, 1
    own = load(one_level(*sizes, on_disk=tmp_path / "images.npy" if on_disk else None))
    assert counts_of(own.test.labels)[:3] == [20, 4, 2]
    assert sorted(counts_of(np.append(own.test.labels, 9))[3:8]) == [0, 0, 0, 0, 2]  # Every fifth of three or four.
    assert not {8, 9} & set(own.test.labels)
    assert isinstance(own.train.images, np.ndarray) != on_disk
    parts = own.parts.values()
    assert sorted(np.concatenate([numbers_of(part.images[:]) for part in parts])) == list(range(144))
    labels = mixed_labels(*sizes)
    for part in parts:
        np.testing.assert_array_equal(labels[numbers_of(part.images[:])], part.labels)
    assert len(own.validation) == 16  # Two of each class that has two, as a twelfth of all would be fewer.
    assert own.content == "abc"


def test_where_the_test_part_was_drawn_all_images_of_classes_held_out_are_judged(load):
    own = load(one_level(30, 30, 30, 30)).hold_out([1, 2])
    assert counts_of(own.unseen.labels) == [30, 30]
    assert own.unseen_names == ("c1", "c2")
    labels = mixed_labels(30, 30, 30, 30)
    np.testing.assert_array_equal(labels[numbers_of(own.unseen.images)], own.unseen.labels + 1)
    assert counts_of(own.test.labels) == [6, 6]


def test_a_data_set_knows_where_it_was_read_from(load, tmp_path, monkeypatch):
    assert load_dataset("digits").source == "digits"
    monkeypatch.chdir(tmp_path)
    assert load(one_level(30, 30)).source == str(tmp_path / "own")


@pytest.mark.parametrize("on_disk", [False, True])
def test_so_are_those_of_a_validation_part_that_the_source_has(load, tmp_path, on_disk):
    images, labels = numbered_images(160), mixed_labels(40, 40, 40, 40)
    parts = {"train": images[:100], "validation": images[100:]}
    if on_disk:
        for part, array in parts.items():
            np.save(tmp_path / part, array)
            parts[part] = np.load(tmp_path / f"{part}.npy", mmap_mode="r")
    by_part = {"train": (parts["train"], labels[:100]), "validation": (parts["validation"], labels[100:])}
    own = load(Found("own", tuple("abcd"), by_part, content="abc")).hold_out([1, 2])
    expected = [number for number, label in enumerate(labels) if label in (1, 2)]
    assert sorted(numbers_of(own.unseen.images[:])) == expected
    np.testing.assert_array_equal(labels[numbers_of(own.unseen.images[:])], own.unseen.labels + 1)


def test_classes_to_hold_out_that_leave_no_pairs_are_refused_before_anything_is_trained(load):
    own = load(one_level(8, 8, 8, 8, 8, 8))
    seen = own.validation[np.flatnonzero(own.validation.labels == own.validation.labels[0])]
    lacking = dataclasses.replace(own, validation=seen)  # Of one class.
    with pytest.raises(InputError, match=r"own: with 2 of 6 classes held out.*--unseen"):
        lacking.hold_out([0, 1] if own.validation.labels[0] > 1 else [4, 5])


def test_what_is_left_of_the_test_part_has_to_have_pairs(arrays):
    train = numbered_images(120), mixed_labels(60, 60)
    for labels in ([0, 2, 2], [0, 0, 2, 3], [0, 1, 2, 2]):
        toy = {"train": train, "test": (numbered_images(len(labels)), np.array(labels)), "class_names": "abcd"}
        with pytest.raises(InputError, match=r"^toy test: needs two images of one class and one of another"):
            make_dataset(**arrays | toy)


def test_a_first_look_at_many_classes_trains_on_all_and_validates_by_pairs():
    labels = np.repeat(np.arange(400), 3)
    images = numbered_images(1200)
    data = make_dataset("many", (images, labels), (images[:30], labels[:30]), list(map(str, range(400))), 400)
    part = part_of(data, 500, 100)
    assert set(part.train.labels) == set(range(400))
    assert len(part.train) >= 400
    assert set(np.unique(part.validation.labels, return_counts=True)[1]) == {2}
    assert len(part.validation) == 100


def test_what_is_not_used_of_a_source_is_said(load, capsys):
    images, labels = numbered_images(120), mixed_labels(40, 40, 40)
    parts = {"train": (images, labels), "validation": (images[:1], labels[:1]), "test": (images[:9], labels[:9])}
    load(Found("own", tuple("abc"), parts, queries=np.arange(9) % 3 == 0, content="abc"))
    told = capsys.readouterr().out
    assert "own: queries and gallery are judged as one test part" in told
    assert "own validation: has no two images of one class" in told


def test_a_validation_part_of_the_source_is_taken(load):
    parts = {"train": slice(0, 80), "validation": slice(80, 100), "test": slice(100, 120)}
    images, labels = numbered_images(120), mixed_labels(40, 40, 40)
    found = Found("own", tuple("abc"), {part: (images[rows], labels[rows]) for part, rows in parts.items()})
    own = load(found)
    assert {part: numbers_of(own.parts[part].images).tolist() for part in parts} == {
        part: list(range(rows.start, rows.stop)) for part, rows in parts.items()
    }


def test_a_validation_part_without_pairs_is_drawn_from_the_training_images(load):
    images, labels = numbered_images(120), mixed_labels(40, 40, 40)
    parts = {"train": (images, labels), "validation": (images[:2], np.array([0, 1])), "test": (images[:9], labels[:9])}
    own = load(Found("own", tuple("abc"), parts))
    assert (len(own.train), len(own.validation)) == (110, 10)


def test_who_asks_and_by_which_camera_is_kept_with_unseen_classes(load):
    images, labels = numbered_images(120), mixed_labels(40, 40, 40)
    parts = {"train": (images, labels), "test": (images[:6], np.array([3, 3, 3, 4, 4, 4]))}
    queries, cameras = np.arange(6) % 3 == 0, np.arange(6)
    own = load(Found("own", tuple("abcde"), parts, queries=queries, cameras=cameras))
    assert (own.queries.tolist(), own.cameras.tolist()) == (queries.tolist(), cameras.tolist())


@pytest.mark.parametrize(
    ("labels", "cameras", "is_found"),
    [
        ([3, 3, 4, 4, 4, 4], None, True),
        ([3, 4, 4, 4, 4, 3], None, False),  # Queries of 3, a gallery of 4.
        ([3, 3, 4, 4, 4, 4], [0, 1, 0, 0, 0, 0], True),
        ([3, 3, 4, 4, 4, 4], [0, 0, 0, 0, 0, 0], False),
        ([3, 3, 4, 4, 4, 4], [0, 0, 1, 1, 1, 0], True),
        ([3, 3, 4, 4, 4, 4], [0, 0, 1, 1, 1, 1], False),
    ],
)
def test_queries_with_nothing_to_find_are_refused(load, labels, cameras, is_found):
    images, known = numbered_images(120), mixed_labels(40, 40, 40)
    parts = {"train": (images, known), "test": (images[:6], np.array(labels))}
    queries = np.array([True, False, False, False, False, True])
    found = Found("own", tuple("abcde"), parts, queries=queries, cameras=cameras and np.array(cameras))
    if is_found:
        load(found)
        return
    with pytest.raises(InputError, match=r"^own: no query has an image of its class in the gallery"):
        load(found)


@pytest.mark.parametrize("labels", [np.arange(3), np.zeros(9, int)])
def test_test_images_without_pairs_of_both_kinds_are_refused(arrays, labels):
    with pytest.raises(InputError, match=r"^toy test: needs two images of one class and one of another"):
        make_dataset(**arrays | {"test": (numbered_images(len(labels)), labels)})


@pytest.mark.parametrize("validation", [0, 1, 3, 119, 120, 500])
def test_a_validation_part_that_cannot_be_made_is_refused(arrays, validation):
    with pytest.raises(InputError, match=f"^toy: the validation part .* Received: {validation} of 120 images"):
        make_dataset(**arrays | {"validation": validation})


def test_with_many_classes_some_have_two_validation_images_each_and_all_one_to_train_on(arrays):
    sizes = [2, 3, 4, 5] * 25
    train, names = (numbered_images(350), mixed_labels(*sizes)), [f"c{number}" for number in range(100)]
    toy = make_dataset(**arrays | {"train": train, "class_names": names, "validation": 80})
    shares = np.bincount(toy.validation.labels, minlength=100)
    assert np.bincount(shares).tolist() == [60, 0, 40]
    assert not shares[::4].any()  # Of two images, one would be left to learn from, without another to compare it with.
    np.testing.assert_array_equal(np.bincount(toy.train.labels) + shares, sizes)
    numbers = np.concatenate([numbers_of(toy.train.images), numbers_of(toy.validation.images)])
    assert sorted(numbers) == list(range(350))
    again = make_dataset(**arrays | {"train": train, "class_names": names, "validation": 80})
    np.testing.assert_array_equal(numbers_of(again.validation.images), numbers_of(toy.validation.images))


def test_classes_of_one_image_to_train_on_are_told(capsys):
    labels = np.array([0] * 20 + [1] * 20 + [2, 3])
    images = np.zeros((len(labels), 8, 8), np.uint8)
    make_dataset("toy", (images, labels), (images, labels), ["a", "b", "c", "d"], validation=8)
    told = capsys.readouterr().out.splitlines()
    assert len(told) == 1
    assert told[0].startswith("toy train: 2 of 4 classes have one image (c, d). Batches repeat it")
    make_dataset("toy", (images[:40], labels[:40]), (images[:40], labels[:40]), ["a", "b"], validation=8)
    assert not capsys.readouterr().out


@pytest.mark.parametrize(
    ("names", "told"), [(["Hut", "Schuh", "Jäcke"], []), (["\ue0f1", "\ue0f2", "\ue0f1\ue0f3"], ["\ue0f1\ue0f2\ue0f3"])]
)
def test_letters_that_pictures_lack_are_named_once(monkeypatch, names, told):
    images, labels, reports = np.zeros((60, 4, 4), np.uint8), np.arange(60) % 3, []
    source = Source(tuple(names), 6, lambda name, report: (images, labels, images, labels))
    monkeypatch.setitem(SOURCES, "own", source)
    load_dataset("own", reports.append)
    assert [re.search(r"show (.*) of the class names as boxes.*Install one", text).group(1) for text in reports] == told
