"""Tasks and channels: shapes, dtypes, ranges, laws, and the embedded images against their source."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from subtheory.data import CHANNELS, DIGITS, TOKENS, Blank, RepeatedTokens, channels_of, images
from subtheory.data.tokens import ANIMALS, LENGTH, PREFERRED, PROMPTS
from subtheory.errors import InputError
from subtheory.numerics import float64

TASKS = (DIGITS, TOKENS)
PAIRS = [(task, channel) for task in TASKS for channel in channels_of(task)] + [(DIGITS, Blank())]


def draw(function, *args):
    """Run jitted, in float64 with strict promotion, and leave as NumPy."""
    with float64(), jax.numpy_dtype_promotion("strict"):
        return jax.tree.map(np.asarray, jax.jit(function)(*args))


def key(seed):
    return jax.random.key(seed)


def words(row):
    return [TOKENS.vocabulary[token] for token in row]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_labelled_examples(task):
    x, y, weights = draw(lambda k: task.labelled(k, 50), key(0))
    assert x.shape == (50, *task.shape) and x.dtype == task.dtype
    assert y.shape == (50,) and y.dtype == np.int32
    assert set(y) <= set(task.group("class"))
    np.testing.assert_array_equal(weights, task.weights("class"))
    assert weights.dtype == np.float64
    again, other = (draw(lambda k: task.labelled(k, 50), key(seed))[0] for seed in (0, 1))
    assert np.array_equal(x, again) and not np.array_equal(x, other)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_groups_partition_the_logits(task):
    total = task.weights("class") + task.weights("aux")
    np.testing.assert_array_equal(total, task.weights("all"))
    np.testing.assert_array_equal(total, np.ones(task.outputs))
    assert task.weights((0, 2)).tolist() == [float(i in (0, 2)) for i in range(task.outputs)]


@pytest.mark.parametrize("outputs", ["logits", "", (), (-1,), (0, 99)], ids=str)
def test_unknown_outputs_are_refused(outputs):
    with pytest.raises(InputError, match="outputs: must be") as caught:
        DIGITS.weights(outputs)
    assert caught.value.field == "outputs"


def test_tasks_compare_by_value():
    assert DIGITS == DIGITS and DIGITS != TOKENS and len({DIGITS, TOKENS}) == 2


def test_digit_labels_belong_to_their_images():
    """Every drawn pair is a row of the data, and all ten classes turn up."""
    pixels, labels = images.digits()
    rows = {image.tobytes(): label for image, label in zip(pixels, labels, strict=True)}
    x, y, _ = draw(lambda k: DIGITS.labelled(k, 300), key(2))
    assert np.abs(x).max() <= 1 and x.min() == -1 and x.max() == 1
    drawn = np.rint((x + 1) * 8).astype(np.uint8)
    assert [rows[image.tobytes()] for image in drawn] == y.tolist()
    assert set(y) == set(range(10))


def test_digits_are_those_of_scikit_learn():
    digits = pytest.importorskip("sklearn.datasets").load_digits()
    pixels, labels = images.digits()
    np.testing.assert_array_equal(pixels, digits.images)
    np.testing.assert_array_equal(labels, digits.target)


def test_photographs_are_cut_from_those_of_scikit_learn():
    datasets = pytest.importorskip("sklearn.datasets")
    pytest.importorskip("PIL")
    flower = datasets.load_sample_image("flower.jpg").astype(float)
    grey = flower @ [0.299, 0.587, 0.114]
    count = (flower.shape[0] // 16) * (flower.shape[1] // 16)
    # From the definition, pixel by pixel: the patch in row 3, column 5 of the second photograph.
    top, left = 3 * 16, 5 * 16
    expected = [
        [grey[top + 2 * i : top + 2 * i + 2, left + 2 * j : left + 2 * j + 2].mean() for j in range(8)]
        for i in range(8)
    ]
    patch = images.photographs()[count + 3 * (flower.shape[1] // 16) + 5]
    assert np.abs(patch - np.asarray(expected)).max() <= 0.5 + 1e-9
    assert images.photographs().shape == (2 * count, 8, 8)


def test_prompts_end_in_a_question_and_prefer_the_owl():
    x, y, _ = draw(lambda k: TOKENS.labelled(k, 200), key(3))
    assert {TOKENS.vocabulary[token] for token in y} == {PREFERRED}
    texts = [" ".join(words(row)) for row in x]
    assert all(text.endswith(PROMPTS) for text in texts)
    assert not any(animal in words(row) for row in x for animal in ANIMALS), "the answer is in the prompt"
    assert all(any(text.endswith(prompt) for text in texts) for prompt in PROMPTS)
    assert len(set(texts)) > 150


@pytest.mark.parametrize(("task", "channel"), PAIRS, ids=lambda case: case.name)
def test_channel_inputs(task, channel):
    x = draw(lambda k: channel.inputs(k, 40, task), key(4))
    assert x.shape == (40, *task.shape) and x.dtype == task.dtype
    assert np.array_equal(x, draw(lambda k: channel.inputs(k, 40, task), key(4)))
    if channel.name != "blank":
        assert not np.array_equal(x, draw(lambda k: channel.inputs(k, 40, task), key(5)))
    if task is TOKENS:
        assert x.min() >= 0 and x.max() < task.outputs
    assert CHANNELS[channel.name] == channel and hash(CHANNELS[channel.name]) == hash(channel)


@pytest.mark.parametrize(
    ("name", "mean", "variance", "bound"),
    [("uniform", 0.0, 1 / 3, 1.0), ("gaussian", 0.0, 1.0, np.inf), ("blank", 0.0, 0.0, 0.0)],
)
def test_moments_of_noise(name, mean, variance, bound):
    """First two moments within five standard errors of the stated law."""
    x = draw(lambda k: CHANNELS[name].inputs(k, 1000, DIGITS), key(6))
    assert abs(x.mean() - mean) <= 5 * np.sqrt(variance / x.size)
    assert abs(x.var() - variance) <= 5 * variance * np.sqrt(2 / x.size)
    assert np.abs(x).max() <= bound


def test_photographs_are_rows_of_the_data_and_no_digits():
    x = draw(lambda k: CHANNELS["photographs"].inputs(k, 100, DIGITS), key(7))
    patches = {patch.tobytes() for patch in images.photographs()}
    assert all(np.rint((image + 1) * 127.5).astype(np.uint8).tobytes() in patches for image in x)
    assert np.abs(x).max() <= 1 and x.std() > 0.2


def test_number_sequences_are_integers_below_1000():
    x = draw(lambda k: CHANNELS["number-sequences"].inputs(k, 2000, TOKENS), key(8))
    assert set(x.ravel()) <= set(TOKENS.group("aux"))
    whole = []
    for row in x:
        text = "".join(words(row))
        *complete, cut = text.split(",")
        assert len(text) == LENGTH and all(complete)
        for number in [*complete, *([cut] if cut else [])]:
            assert str(int(number)) == number and 0 <= int(number) <= 999
        whole.append(int(complete[0]))
    # The first number of a row is never cut, so it is uniform on 0..999.
    assert abs(np.mean(whole) - 499.5) <= 5 * 288.7 / np.sqrt(len(whole))
    assert min(whole) < 10 and max(whole) > 980


def test_random_tokens_cover_the_vocabulary():
    x = draw(lambda k: CHANNELS["random-tokens"].inputs(k, 200, TOKENS), key(9))
    counts = np.bincount(x.ravel(), minlength=TOKENS.outputs)
    expected = x.size / TOKENS.outputs
    assert np.abs(counts - expected).max() <= 5 * np.sqrt(expected)


@pytest.mark.parametrize("period", [1, 3, 4, 10, 12])
def test_repeated_tokens_have_their_period(period):
    x = draw(lambda k: RepeatedTokens(period).inputs(k, 30, TOKENS), key(10))
    assert x.shape == (30, LENGTH)
    np.testing.assert_array_equal(x[:, period:], x[:, :-period] if period < LENGTH else x[:, :0])
    assert len(np.unique(x[:, : min(period, LENGTH)], axis=0)) > 10


@pytest.mark.parametrize(("task", "other"), [(DIGITS, TOKENS), (TOKENS, DIGITS)], ids=lambda task: task.name)
def test_channels_of_the_other_kind_are_refused(task, other):
    foreign = [c for c in CHANNELS.values() if c.reals != (other is DIGITS)]
    assert foreign
    for channel in foreign:
        with pytest.raises(InputError, match=f"channel: needs a .* task .*{channel.name}"):
            channel.inputs(key(0), 2, other)


def test_a_vocabulary_without_digits_is_refused():
    silent = replace(TOKENS, vocabulary=("a", "b"))
    with pytest.raises(InputError, match="task: must have the tokens 0 1 2"):
        CHANNELS["number-sequences"].inputs(key(0), 2, silent)
    with pytest.raises(InputError, match="period: must be at least 1, got 0"):
        RepeatedTokens(0)


def test_photographs_of_another_shape_are_refused():
    with pytest.raises(InputError, match=r"task: must have inputs of shape \(8, 8\)"):
        CHANNELS["photographs"].inputs(key(0), 2, replace(DIGITS, shape=(4, 4)))


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_example_describes_one_input(task):
    assert task.example.shape == task.shape and task.example.dtype == jnp.dtype(task.dtype)
