"""The batches of every training and stratified samples, on images whose pixels say which image they are."""

import dataclasses
import hashlib

import keras
import numpy as np
import pytest
from support.numbered_images import counts_of, mixed_labels, numbers_of, split_of

from data import Split
from lab.batches import Batches, feed, stratified_sample
from lab.batches.samplers import balanced_indices
from lab.settings import Settings

SAMPLERS = ("balanced", "shuffle")


def epoch_of(batches):
    """Numbers of the images of an epoch, one array per batch."""
    return [numbers_of(batches[step][0]) for step in range(len(batches))]


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


def test_a_sample_that_would_leave_too_few_over_is_everything():
    np.testing.assert_array_equal(stratified_sample(np.arange(100) % 10, 95, 0), np.arange(100))


@pytest.mark.parametrize("augment", [(), ("shift",)])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_same_seed_gives_the_same_batches_in_every_epoch(sampler, augment):
    one, other = (Batches(split_of(40, 30, 50), 3, sampler, augment, per_class=4) for _ in range(2))
    for epoch in range(3):
        one.go_to(epoch)
        other.go_to(epoch)
        for step in range(len(one)):
            np.testing.assert_array_equal(one[step][0], other[step][0])
            np.testing.assert_array_equal(one[step][1], other[step][1])


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_seed_gives_other_batches(sampler):
    epochs = [np.stack(epoch_of(Batches(split_of(40, 30, 50), seed, sampler, per_class=4))) for seed in range(3)]
    assert len({epoch.tobytes() for epoch in epochs}) == 3


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_epoch_has_other_batches(sampler):
    batches = Batches(split_of(40, 30, 50), 0, sampler, per_class=4)
    epochs = set()
    for epoch in range(3):
        batches.go_to(epoch)
        epochs.add(np.stack(epoch_of(batches)).tobytes())
    assert len(epochs) == 3


def test_keras_draws_every_epoch_anew_and_asks_for_every_batch_of_it():
    class Recorded(Batches):
        def __getitem__(self, step):
            asked.append((self.epoch, step))
            return super().__getitem__(step)

    asked = []
    batches = Recorded(split_of(20, 20, 20), 0, per_class=5)
    model = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Flatten(), keras.layers.Dense(3)])
    model.compile(loss="sparse_categorical_crossentropy", jit_compile=False)
    model.fit(feed(batches), epochs=3, shuffle=False, verbose=0, callbacks=[batches.drawing()])
    trained = [(epoch, step) for epoch, step in asked if epoch > 0]  # Epoch 0 only shows the shapes.
    assert trained == [(epoch, step) for epoch in (1, 2, 3) for step in range(4)]


def test_batches_that_nothing_draws_anew_are_the_same_every_time():
    batches = Batches(split_of(20, 20, 20), 0, per_class=5)
    data = feed(batches)
    passes = [[np.asarray(labels) for _, labels in data] for _ in range(2)]
    np.testing.assert_array_equal(passes[0], passes[1])
    np.testing.assert_array_equal(passes[0], [batches[step][1] for step in range(len(batches))])


@pytest.mark.parametrize("augment", [(), ("shift",)])
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


def test_many_small_classes_come_without_repeats_and_all_in_an_epoch():
    split = split_of(*[3] * 400)
    batches = Batches(split, 0)
    numbers = epoch_of(batches)
    assert [len(set(batch)) for batch in numbers] == [240] * 5
    assert all(set(np.bincount(split.labels[batch])) == {0, 3} for batch in numbers)
    assert len(np.unique(numbers)) == 1200


def test_a_batch_of_more_than_ten_classes_has_as_many_of_them_as_it_has_room_for():
    for counts, shape in (
        ((100,) * 10, (10, 24)),
        ((100,) * 15, (15, 16)),
        ((100,) * 47, (47, 5)),
        ((100,) * 200, (60, 4)),  # Four of each at least,
        ((3,) * 100, (80, 3)),  # unless most have fewer:
        ((1, 2) * 200, (120, 2)),  # a pair, even if most had one image.
        ((2, 9, 9) * 20, (60, 4)),
        ((2, 300, 300) * 4, (12, 20)),
        ((2,) * 10, (10, 24)),  # No more classes to take.
    ):
        _, found = np.unique(Batches(split_of(*counts), 0)[0][1], return_counts=True)
        assert (len(found), *set(found)) == shape


@pytest.mark.parametrize(
    ("asked", "shape"),
    [
        ({"classes_per_batch": 6, "per_class": 5}, (6, 5)),  # Some of two images repeat them.
        ({"classes_per_batch": 30}, (30, 8)),
        ({"classes_per_batch": 30, "per_class": 1}, (30, 1)),
        ({"per_class": 8}, (30, 8)),
        ({"per_class": 60}, (4, 60)),
        ({"per_class": 500}, (2, 500)),  # Of one there would be nothing to tell it from.
    ],
)
def test_a_batch_has_what_is_asked_for_and_the_rest_follows(asked, shape):
    split = split_of(*[2, 9, 40] * 10)
    batches = Batches(split, 0, **asked)
    for step in range(len(batches)):
        _, counts = np.unique(batches[step][1], return_counts=True)
        assert (len(counts), *set(counts)) == shape


def test_a_shuffled_batch_is_no_larger_for_want_of_classes():
    assert len(Batches(split_of(300, 300), 0, "shuffle", per_class=240)[0][1]) == 240


def test_a_batch_of_very_many_classes_has_pairs():
    _, counts = np.unique(Batches(split_of(*[3] * 200), 0, classes_per_batch=150)[0][1], return_counts=True)
    assert list(counts) == [2] * 150


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"classes_per_batch": 4}, r"4 classes.*There are 3"),
        ({"classes_per_batch": 0}, r"at least 1 of its classes per batch\. Received: 0"),
        ({"per_class": 0}, r"at least 1 of its images per class\. Received: 0"),
    ],
)
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_batch_that_cannot_be_is_refused(sampler, asked, message):
    with pytest.raises(ValueError, match=message):
        Batches(split_of(9, 9, 9), 0, sampler, **asked)


def test_batches_of_a_run_are_as_its_settings_say_of_validation_images_with_the_classes_they_have():
    settings = Settings("digits", "softmax", 3, 1, sampler="shuffle", classes_per_batch=3, per_class=5)
    train, few = split_of(40, 30, 50), split_of(9, 9)
    for found, split, classes in (
        (Batches.of(train, settings), train, 3),
        (Batches.of_validation(train, settings), train, 3),
        (Batches.of_validation(few, settings), few, 2),
    ):
        expected = Batches(split, 3, "shuffle", classes_per_batch=classes, per_class=5)
        np.testing.assert_array_equal(found.indices, expected.indices)
    assert Batches.of(train, settings, augment=("shift",)).augment
    assert not Batches.of_validation(train, dataclasses.replace(settings, augment=("shift",))).augment


def drawn_class_by_class(labels, rng, classes_per_batch, per_class):
    """Balanced batches by a loop over the classes, each of which looks at every place."""
    classes = np.unique(labels)
    steps = max(1, len(labels) // (classes_per_batch * per_class))
    batches = len(classes) // classes_per_batch
    rounds = rng.permuted(np.tile(classes, (-(-steps // batches), 1)), axis=1)[:, : batches * classes_per_batch]
    drawn = rounds.reshape(-1, classes_per_batch)[:steps]
    indices = np.empty((steps, classes_per_batch, per_class), int)
    for label in classes:
        members, needed = np.flatnonzero(labels == label), (drawn == label).sum() * per_class
        images = [image for _ in range(-(-needed // len(members))) for image in rng.permutation(members)]
        indices[drawn == label] = np.reshape(images[:needed], (-1, per_class))
    return indices.reshape(steps, -1)


@pytest.mark.parametrize("counts", [(1, 7, 90), (40,) * 12, (3,) * 100, (2, 9, 40) * 10])
@pytest.mark.parametrize("shape", [(2, 5), (3, 1), (3, 24)])
def test_the_draws_are_those_of_a_loop_over_the_classes(counts, shape):
    labels = 2 * mixed_labels(*counts) + 1  # Not all numbers are classes.
    found, expected = (
        draw(labels, np.random.default_rng(5), *shape) for draw in (balanced_indices, drawn_class_by_class)
    )
    np.testing.assert_array_equal(found, expected)


def test_a_batch_reads_its_rows_alone():
    class Recorded:
        """Images that stay where they are until they are asked for."""

        def __init__(self, images):
            self.images, self.shape, self.read = images, images.shape, []

        def __getitem__(self, index):
            self.read.append(index)
            return self.images[index]

    split = split_of(20, 20, 20)
    images = Recorded(split.images)
    batches = Batches(Split(images, split.labels), 0, per_class=5, augment=("shift",))
    batches[1]
    (read,) = images.read
    np.testing.assert_array_equal(read, batches.indices[1])


def test_shuffled_batches_of_many_classes_stay_as_large():
    assert {len(batch) for batch in epoch_of(Batches(split_of(*[3] * 400), 0, "shuffle"))} == {240}


def test_the_draws_of_ten_classes_are_those_of_the_reference_results():
    """Worked out with the sampler that they were made with."""
    indices = Batches(split_of(*[48] * 10), 3).indices
    assert indices.shape == (2, 240)
    assert hashlib.sha256(indices.tobytes()).hexdigest()[:16] == "dc709fedd144d988"


def test_a_balanced_batch_has_all_classes_if_there_are_few():
    _, labels = Batches(split_of(60, 60, 60), 0, per_class=4)[0]
    assert counts_of(labels) == [4, 4, 4]


@pytest.mark.parametrize(
    ("counts", "classes_per_batch"), [((40, 40, 40), 3), ((40, 40, 40), 2), ((3, 40, 40), 3), ((1, 7, 90), 2)]
)
def test_an_image_comes_back_only_after_all_others_of_its_class(counts, classes_per_batch):
    split = split_of(*counts)
    batches = Batches(split, 0, classes_per_batch=classes_per_batch, per_class=5)
    for epoch in range(3):
        batches.go_to(epoch)
        drawn = np.concatenate(epoch_of(batches))
        for label, size in enumerate(counts):
            of_class = drawn[split.labels[drawn] == label]
            rounds = [list(of_class[start : start + size]) for start in range(0, len(of_class), size)]
            assert all(len(set(numbers)) == len(numbers) for numbers in rounds)


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
    for epoch in range(20):
        batches.go_to(epoch)
        left_out.add(frozenset(range(125)) - frozenset(np.concatenate(epoch_of(batches))))
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


def test_augmented_batches_are_the_plain_ones_each_changed_in_its_own_way(noise):
    split = Split(noise, mixed_labels(20, 20, 20))
    plain, changed = (Batches(split, 0, augment=names, per_class=5) for names in ((), ("flip",)))
    flips = []
    for step in range(len(plain)):
        (before, labels), (after, same_labels) = plain[step], changed[step]
        np.testing.assert_array_equal(labels, same_labels)
        flips.append(tuple((before != after).any(axis=(1, 2, 3))))
        np.testing.assert_array_equal(after, np.where(np.reshape(flips[-1], (-1, 1, 1, 1)), before[:, :, ::-1], before))
    assert len(set(flips)) == len(plain) == 4


def test_an_augmented_batch_is_the_same_when_asked_for_again(noise):
    batches = Batches(Split(noise, mixed_labels(20, 20, 20)), 0, augment=("shift",), per_class=5)
    np.testing.assert_array_equal(batches[1][0], batches[1][0])


def test_augmentation_leaves_the_split_alone(noise):
    before = noise.copy()
    batches = Batches(Split(noise, mixed_labels(20, 20, 20)), 0, augment=("shift",), per_class=5)
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
