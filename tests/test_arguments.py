"""Arguments as people type them: read as they are meant, or refused in one line that names field and value."""

import jax.numpy as jnp
import numpy as np
import pytest

import subtheory as st
from subtheory import arguments
from subtheory.errors import InputError
from subtheory.suggest import choose

MASKS = ((True, False, True), [True, False, True], np.array([1, 0, 1], bool), jnp.array([True, False, True]))


@pytest.mark.parametrize("value", [*MASKS, (0, 2), [0, 2], np.array([0, 2]), jnp.array([0, 2]), {2, 0}, range(0, 3, 2)])
def test_outputs_by_indices_and_by_masks(value):
    assert arguments.outputs(value, 3) == (0, 2)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ((True, False), "one truth value for each of 3 outputs"),
        ((True, 2), "mask of truth values"),
        ((1, 0, 1), "every output once .a mask must be of truth values"),
        ([1.0, 0.0, 1.0], "indices below 3"),
        (np.eye(3, dtype=bool), "indices below 3"),
        ((), "indices below 3"),
        ([False] * 3, "indices below 3"),
        ([3], r"indices below 3.*got \[3\]"),
        (-1, "indices below 3"),
        (None, "indices below 3"),
        (True, "indices below 3"),
    ],
)
def test_outputs_that_are_none(value, words):
    with pytest.raises(InputError, match=f"^outputs: .*{words}"):
        arguments.outputs(value, 3)


@pytest.mark.parametrize("value", [2, np.int64(2), np.array(2), [0, 1], (0, 1), range(2), np.arange(2), jnp.arange(2)])
def test_seeds_as_a_count_and_as_a_list(value):
    assert arguments.seeds(value) == (0, 1)


@pytest.mark.parametrize("value", [0, -1, 2.0, True, "2", None, [], [0, 0], [0.5], [-1], [2**32], 10**9, [[0, 1]]])
def test_seeds_that_are_none(value):
    with pytest.raises(InputError, match=r"^seeds: "):
        arguments.seeds(value)


@pytest.mark.parametrize("value", [np.float32(0.5), jnp.bfloat16(0.5), np.array(0.5), jnp.asarray(0.5), 0.5])
def test_a_number_of_any_library(value):
    assert arguments.positive("eps", value) == 0.5 and type(arguments.positive("eps", value)) is float


@pytest.mark.parametrize("value", [0, -1, True, "0.5", None, [0.5], np.array([0.5]), np.nan, np.inf, 1j])
def test_numbers_that_are_none(value):
    with pytest.raises(InputError, match=r"^eps: must be a positive number, got "):
        arguments.positive("eps", value)


def test_names_that_are_none():
    for name in (3, None, ["kl"], st.KL):
        with pytest.raises(InputError, match="loss: must be a name, one of squared-error"):
            choose("loss", name, st.LOSSES)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: st.KL(temperature=0.0), "temperature: must be a positive number, got 0.0"),
        (lambda: st.KL(temperature=-2), "temperature: must be a positive number, got -2"),
        (lambda: st.KL(temperature=np.nan), "temperature: must be a positive number, got nan"),
        (lambda: st.KL(temperature="hot"), "temperature: must be a positive number, got 'hot'"),
        (lambda: st.KL(temperature=1e-320), "temperature: must lie between"),
        (lambda: st.TopK(k=0), "k: must be at least 1, got 0"),
        (lambda: st.TopK(k=1.5), "k: must be a whole number, got 1.5"),
        (lambda: st.Bregman(3), "potential: must be a Potential"),
    ],
)
def test_losses_whose_own_numbers_are_impossible(make, words):
    with pytest.raises(InputError, match=words):
        make()
    assert st.KL(temperature=np.float32(3.0)) == st.KL(3.0), "equal numbers make equal losses, which share a program"
