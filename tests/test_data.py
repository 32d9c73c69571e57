"""Data sets, their parts and their batches, on images whose pixels say which image they are."""

import keras
import numpy as np
import pytest
from sklearn.datasets import load_digits

import data
from data import Batches, Split, load_dataset, make_dataset, part_of, pipeline, shifted, stratified_sample

SHIFTS = {(down, right) for down in range(-2, 3) for right in range(-2, 3)}


def numbered_images(count):
    """Images 4 x 4 of one colour each: `numbers_of` reads the number, whatever zeros moved in."""
    colors = np.stack(np.divmod(np.arange(count), 250), axis=-1) + 1
    return np.broadcast_to(colors[:, None, None], (count, 4, 4, 2)).astype(np.uint8)


def numbers_of(images):
    colors = images.max(axis=(1, 2)).astype(int) - 1
    return colors[:, 0] * 250 + colors[:, 1]


def mixed_labels(*counts):
    """So many labels of each class, in mixed order."""
    return np.random.default_rng(7).permutation(np.repeat(np.arange(len(counts)), counts))


def split_of(*counts):
    labels = mixed_labels(*counts)
    return Split(numbered_images(len(labels)), labels.astype(np.int32))


def counts_of(labels):
    return [int((labels == label).sum()) for label in range(max(labels) + 1)]


def epoch_of(batches):
    """Numbers of the images of an epoch, one array per batch."""
    return [numbers_of(batches[step][0]) for step in range(len(batches))]


def moved(image, down, right):
    """The image moved pixel by pixel, with zeros where nothing came to."""
    height, width, _ = image.shape
    result = np.zeros_like(image)
    for row in range(height):
        for column in range(width):
            if 0 <= row - down < height and 0 <= column - right < width:
                result[row, column] = image[row - down, column - right]
    return result


def shift_between(image, result):
    """The only shift of up to 2 pixels that makes one image the other."""
    (shift,) = [shift for shift in sorted(SHIFTS) if np.array_equal(moved(image, *shift), result)]
    return shift


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


def test_a_downloaded_data_set_holds_out_5000_training_images(monkeypatch):
    images, labels = np.zeros((6000, 2, 2), np.uint8), np.arange(6000) % 10
    found = {"fashion_mnist": (images, labels, images[:30], labels[:30])}
    monkeypatch.setattr(data, "load_idx", lambda name, report: found[name])
    fashion = load_dataset("fashion_mnist")
    assert [len(part) for part in (fashion.train, fashion.validation, fashion.test)] == [1000, 5000, 30]
    assert (fashion.name, fashion.class_names[0], fashion.class_names[9]) == (
        "fashion_mnist",
        "T-shirt/top",
        "Ankle boot",
    )


def test_an_unknown_data_set_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"Unknown dataset: cifar\. Valid: mnist, fashion_mnist, digits"):
        load_dataset("cifar")


@pytest.fixture
def arrays():
    """Arguments of `make_dataset`: 40 + 20 + 60 training images, 12 of them held out, and 9 test images."""
    return {
        "name": "toy",
        "train_images": numbered_images(120),
        "train_labels": mixed_labels(40, 20, 60),
        "test_images": numbered_images(9),
        "test_labels": np.arange(9) % 3,
        "class_names": ["a", "b", "c"],
        "held_out": 12,
    }


def test_the_validation_part_has_every_class_in_proportion(arrays):
    toy = make_dataset(**arrays)
    assert counts_of(toy.validation.labels) == [4, 2, 6]
    assert counts_of(toy.train.labels) == [36, 18, 54]


def test_every_training_image_is_in_one_part_with_its_label(arrays):
    toy = make_dataset(**arrays)
    numbers = np.concatenate([numbers_of(toy.train.images), numbers_of(toy.validation.images)])
    assert sorted(numbers) == list(range(120))
    labels = np.concatenate([toy.train.labels, toy.validation.labels])
    np.testing.assert_array_equal(labels, arrays["train_labels"][numbers])


def test_the_test_part_stays_as_it_is(arrays):
    toy = make_dataset(**arrays)
    np.testing.assert_array_equal(toy.test.images, arrays["test_images"])
    np.testing.assert_array_equal(toy.test.labels, arrays["test_labels"])


def test_the_validation_part_does_not_depend_on_numpys_seed(arrays):
    chosen = []
    for seed in (1, 2):
        np.random.seed(seed)
        chosen.append(numbers_of(make_dataset(**arrays).validation.images))
    np.testing.assert_array_equal(*chosen)


@pytest.mark.parametrize("dtype", ["uint16", "int64", "float32", "float64"])
def test_whole_numbers_of_any_type_become_bytes(arrays, dtype):
    images = {part: arrays[part].astype(dtype) for part in ("train_images", "test_images")}
    toy = make_dataset(**arrays | images)
    assert toy.train.images.dtype == toy.test.images.dtype == np.uint8
    np.testing.assert_array_equal(toy.test.images, arrays["test_images"])


def test_labels_become_int32(arrays):
    toy = make_dataset(**arrays | {"train_labels": arrays["train_labels"].astype(np.uint8)})
    assert {part.labels.dtype for part in (toy.train, toy.validation, toy.test)} == {np.dtype("int32")}


def test_images_without_channels_get_one(arrays):
    toy = make_dataset(**arrays | {part: arrays[part][..., 1] for part in ("train_images", "test_images")})
    assert toy.image_shape == (4, 4, 1)
    np.testing.assert_array_equal(toy.test.images[..., 0], arrays["test_images"][..., 1])


def with_value(array, value):
    """A copy as floats with one changed value."""
    array = array.astype(float)
    array.flat[5] = value
    return array


REFUSED = {
    "flat images": (lambda x, y: (x.reshape(len(x), -1), y), r"must be \(n, height, width.*\(9, 32\)"),
    "five dimensions": (lambda x, y: (x[..., None], y), r"must be \(n, height, width.*\(9, 4, 4, 2, 1\)"),
    "no images": (lambda x, y: (x[:0], y[:0]), r"must be \(n, height, width.*\(0, 4, 4, 2\)"),
    "a label too few": (lambda x, y: (x, y[:-1]), r"one label per image.*\(9, 4, 4, 2\).*\(8,\)"),
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
    images, labels = spoil(arrays["test_images"], arrays["test_labels"])
    with pytest.raises(ValueError, match=f"^toy {part}: .*{message}"):
        make_dataset(**arrays | {f"{part}_images": images, f"{part}_labels": labels})


def test_a_stratified_sample_has_every_class_in_proportion():
    labels = mixed_labels(10, 30, 60)
    chosen = stratified_sample(labels, 20, seed=0)
    assert counts_of(labels[chosen]) == [2, 6, 12]
    assert list(chosen) == sorted(set(chosen))


def test_a_stratified_sample_depends_on_its_seed_alone():
    labels = mixed_labels(10, 30, 60)
    first = stratified_sample(labels, 20, seed=0)
    np.random.seed(5)
    np.testing.assert_array_equal(stratified_sample(labels, 20, seed=0), first)
    assert list(stratified_sample(labels, 20, seed=1)) != list(first)


@pytest.mark.parametrize("count", [100, 101, 5000])
def test_a_stratified_sample_of_all_or_more_is_all(count):
    np.testing.assert_array_equal(stratified_sample(mixed_labels(10, 30, 60), count, seed=0), np.arange(100))


def test_part_of_a_data_set_has_fewer_images_in_proportion(arrays):
    whole = make_dataset(**arrays)
    part = part_of(whole, 54, 6)
    assert counts_of(part.train.labels) == [18, 9, 27]
    assert counts_of(part.validation.labels) == [2, 1, 3]
    for smaller, larger in ((part.train, whole.train), (part.validation, whole.validation)):
        assert set(numbers_of(smaller.images)) < set(numbers_of(larger.images))
        np.testing.assert_array_equal(smaller.labels, arrays["train_labels"][numbers_of(smaller.images)])


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


SAMPLERS = ("balanced", "shuffle")


@pytest.mark.parametrize("augment", [False, True])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_same_seed_gives_the_same_batches_in_every_epoch(sampler, augment):
    one, other = (Batches(split_of(40, 30, 50), 3, sampler, augment, per_class=4) for _ in range(2))
    for _ in range(3):
        for step in range(len(one)):
            np.testing.assert_array_equal(one[step][0], other[step][0])
            np.testing.assert_array_equal(one[step][1], other[step][1])
        one.next_epoch()
        other.next_epoch()


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_seed_gives_other_batches(sampler):
    epochs = [np.stack(epoch_of(Batches(split_of(40, 30, 50), seed, sampler, per_class=4))) for seed in range(3)]
    assert len({epoch.tobytes() for epoch in epochs}) == 3


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_epoch_has_other_batches(sampler):
    batches = Batches(split_of(40, 30, 50), 0, sampler, per_class=4)
    epochs = set()
    for _ in range(3):
        epochs.add(np.stack(epoch_of(batches)).tobytes())
        batches.next_epoch()
    assert len(epochs) == 3


def test_keras_draws_every_epoch_anew_and_asks_for_every_batch_of_it():
    class Recorded(Batches):
        def __getitem__(self, step):
            asked.append((self.epoch, step))
            return super().__getitem__(step)

    asked = []
    batches = Recorded(split_of(20, 20, 20), 0, per_class=5)
    model = keras.Sequential([keras.Input((4, 4, 2)), keras.layers.Flatten(), keras.layers.Dense(3)])
    model.compile(loss="sparse_categorical_crossentropy", jit_compile=False)
    model.fit(pipeline(batches), epochs=3, shuffle=False, verbose=0)
    trained = [(epoch, step) for epoch, step in asked if epoch > 0]  # Epoch 0 only shows the shapes.
    assert trained == [(epoch, step) for epoch in (1, 2, 3) for step in range(4)]


def test_a_pipeline_that_does_not_redraw_gives_the_same_batches_every_time():
    batches = Batches(split_of(20, 20, 20), 0, per_class=5)
    passes = [[labels.numpy() for _, labels in pipeline(batches, redraw=False)] for _ in range(2)]
    np.testing.assert_array_equal(passes[0], passes[1])
    np.testing.assert_array_equal(passes[0], [batches[step][1] for step in range(len(batches))])


@pytest.mark.parametrize("augment", [False, True])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_label_belongs_to_its_image(sampler, augment):
    split = split_of(40, 30, 50)
    batches = Batches(split, 0, sampler, augment, per_class=4)
    for step in range(len(batches)):
        images, labels = batches[step]
        np.testing.assert_array_equal(labels, split.labels[numbers_of(images)])


@pytest.mark.parametrize("classes_per_batch", [1, 3, 6, 7])
def test_a_balanced_batch_has_as_many_images_of_each_of_its_classes(classes_per_batch):
    batches = Batches(split_of(*[40] * 7), 0, classes_per_batch=classes_per_batch, per_class=4)
    for step in range(len(batches)):
        _, counts = np.unique(batches[step][1], return_counts=True)
        assert list(counts) == [4] * classes_per_batch


def test_every_class_gets_its_turn():
    batches = Batches(split_of(*[40] * 7), 0, classes_per_batch=3, per_class=4)
    drawn = [frozenset(batches[step][1]) for step in range(len(batches))]
    assert set().union(*drawn) == set(range(7))
    assert len(set(drawn)) > 7  # Of 23 batches out of 35 possible choices.


def test_a_balanced_batch_has_all_classes_if_there_are_few():
    _, labels = Batches(split_of(60, 60, 60), 0, per_class=4)[0]
    assert counts_of(labels) == [4, 4, 4]


@pytest.mark.parametrize(
    ("counts", "classes_per_batch"), [((40, 40, 40), 3), ((40, 40, 40), 2), ((3, 40, 40), 3), ((1, 7, 90), 2)]
)
def test_an_image_comes_back_only_after_all_others_of_its_class(counts, classes_per_batch):
    split = split_of(*counts)
    batches = Batches(split, 0, classes_per_batch=classes_per_batch, per_class=5)
    for _ in range(3):
        drawn = np.concatenate(epoch_of(batches))
        for label, size in enumerate(counts):
            of_class = drawn[split.labels[drawn] == label]
            rounds = [list(of_class[start : start + size]) for start in range(0, len(of_class), size)]
            assert all(len(set(numbers)) == len(numbers) for numbers in rounds)
        batches.next_epoch()


def test_a_class_with_fewer_images_than_its_share_fills_its_place():
    split = split_of(3, 40, 40)
    for numbers in epoch_of(Batches(split, 0, per_class=5)):
        times = [list(numbers).count(member) for member in np.flatnonzero(split.labels == 0)]
        assert sum(times) == 5
        assert min(times) >= 1


def test_the_order_of_a_rare_class_is_drawn_anew_in_every_round():
    split = split_of(4, 80)
    drawn = np.concatenate(epoch_of(Batches(split, 0, per_class=4)))
    of_class = drawn[split.labels[drawn] == 0].reshape(-1, 4)
    assert len({tuple(numbers) for numbers in of_class}) > 5  # Of 10 rounds.


def test_shuffled_batches_have_every_image_at_most_once():
    batches = Batches(split_of(40, 30, 55), 0, "shuffle", classes_per_batch=3, per_class=4)
    numbers = np.concatenate(epoch_of(batches))
    assert len(set(numbers)) == len(numbers) == 120  # The last 5 of 125 fill no batch.
    assert all(len(labels) == 12 for labels in (batches[step][1] for step in range(10)))


def test_shuffled_batches_leave_out_other_images_in_every_epoch():
    batches = Batches(split_of(40, 30, 55), 0, "shuffle", per_class=4)
    left_out = set()
    for _ in range(20):
        left_out.add(frozenset(range(125)) - frozenset(np.concatenate(epoch_of(batches))))
        batches.next_epoch()
    assert len(left_out) == 20


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize(("count", "steps"), [(20, 2), (23, 2), (24, 3), (25, 3)])
def test_length_is_the_number_of_full_batches(sampler, count, steps):
    batches = Batches(split_of(count, count), 0, sampler, per_class=8)
    assert len(batches) == steps
    assert [len(numbers) for numbers in epoch_of(batches)] == [16] * steps


def test_a_split_smaller_than_a_batch_still_gives_one():
    split = split_of(3, 4)
    (balanced,) = epoch_of(Batches(split, 0, per_class=8))
    assert counts_of(split.labels[balanced]) == [8, 8]
    (shuffled,) = epoch_of(Batches(split, 0, "shuffle", per_class=8))
    assert sorted(shuffled) == list(range(7))


def test_an_unknown_sampler_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"Unknown sampler: random\. Valid: balanced, shuffle"):
        Batches(split_of(3, 4), 0, "random")


@pytest.fixture
def noise():
    return np.random.default_rng(11).integers(1, 256, (60, 7, 9, 2), dtype=np.uint8)


def test_a_shift_pads_and_crops(noise):
    result = shifted(noise, np.random.default_rng(0))
    assert (result.shape, result.dtype) == (noise.shape, noise.dtype)
    shifts = {shift_between(*images) for images in zip(noise, result, strict=True)}
    assert len(shifts) > 15  # Each image has its own.


def test_every_shift_of_up_to_two_pixels_occurs():
    point = np.zeros((1000, 5, 5, 1), np.uint8)
    point[:, 2, 2] = 1
    _, rows, columns, _ = np.nonzero(shifted(point, np.random.default_rng(0)))
    shifts, counts = np.unique(np.stack([rows, columns]) - 2, axis=1, return_counts=True)
    assert set(zip(*shifts.tolist(), strict=True)) == SHIFTS
    assert counts.sum() == 1000
    assert counts.min() > 20  # 40 on average.


def test_shifts_depend_on_the_generator_alone(noise):
    one, again, other = (shifted(noise, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)


def test_augmented_batches_are_the_plain_ones_shifted(noise):
    split = Split(noise, mixed_labels(20, 20, 20))
    plain, augmented = (Batches(split, 0, augment=augment, per_class=5) for augment in (False, True))
    shifts = []
    for step in range(len(plain)):
        (before, labels), (after, same_labels) = plain[step], augmented[step]
        np.testing.assert_array_equal(labels, same_labels)
        shifts.append(tuple(shift_between(*images) for images in zip(before, after, strict=True)))
    assert len(set(shifts)) == len(plain) == 4


def test_an_augmented_batch_is_the_same_when_asked_for_again(noise):
    batches = Batches(Split(noise, mixed_labels(20, 20, 20)), 0, augment=True, per_class=5)
    np.testing.assert_array_equal(batches[1][0], batches[1][0])


def test_augmentation_leaves_the_split_alone(noise):
    before = noise.copy()
    batches = Batches(Split(noise, mixed_labels(20, 20, 20)), 0, augment=True, per_class=5)
    for step in range(len(batches)):
        batches[step]
    np.testing.assert_array_equal(noise, before)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_images_stay_untouched_unless_augmentation_is_asked_for(sampler):
    split = split_of(20, 20, 20)
    batches = Batches(split, 0, sampler, per_class=5)
    for step in range(len(batches)):
        images, _ = batches[step]
        np.testing.assert_array_equal(images, split.images[numbers_of(images)])


def test_pixels_between_0_and_1_are_refused_with_the_remedy():
    images, labels = np.random.default_rng(0).random((40, 4, 4)), np.arange(40) % 4
    with pytest.raises(ValueError, match=r"whole numbers in \[0, 255\].*multiplying by 255"):
        make_dataset("grey", images, labels, images, labels, "abcd", 8)


def test_a_sample_that_would_leave_too_few_over_is_everything():
    np.testing.assert_array_equal(stratified_sample(np.arange(100) % 10, 95, 0), np.arange(100))
