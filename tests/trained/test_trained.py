"""What images and texts share when they are trained: parameters of many models, and the order of rows."""

import jax
import numpy as np
import pytest
from shapes import SMOOTH

from subtheory import records
from subtheory.errors import InputError, SubtheoryError
from subtheory.init import Fork
from subtheory.ledger import parts
from subtheory.ledger.request import Request
from subtheory.numerics import float64
from subtheory.theory.beyond.training import orders
from subtheory.trained import Fit, Schedule, from_arrays, leading, pick, single, stacked, to_arrays


@pytest.fixture(scope="module")
def models():
    with float64():
        return [jax.tree.map(np.asarray, SMOOTH.init(jax.random.key(seed))) for seed in range(3)]


def same(a, b):
    a, b = to_arrays(a), to_arrays(b)
    return list(a) == list(b) and all(a[name].dtype == b[name].dtype and np.array_equal(a[name], b[name]) for name in a)


def test_stacked_models_are_picked_again(models):
    many = stacked(models)
    assert leading(SMOOTH, many, 1, "theta0") == (3,)
    assert all(same(pick(many, k), model) for k, model in enumerate(models))
    assert {array.dtype for array in to_arrays(single(many)).values()} == {np.dtype("float32")}


def test_parameters_survive_a_record(models, tmp_path):
    """Bit for bit, in either precision, through a file without pickle."""
    for theta in (stacked(models), single(stacked(models))):
        records.save(tmp_path, "theta", to_arrays(theta), {})
        assert same(from_arrays(records.load(tmp_path, "theta")[0]), theta)


def test_a_run_that_was_killed_takes_its_parameters_again(models, tmp_path):
    made = []

    def compute():
        made.append(1)
        return to_arrays(models[0])

    for _ in range(2):
        with parts.keeping(tmp_path, Request.of("experiment", {"experiment": "toy"})):
            assert same(from_arrays(parts.kept_arrays("models", compute)), models[0])
    assert len(made) == 1
    with (
        parts.keeping(tmp_path, Request.of("experiment", {"experiment": "toy"})),
        pytest.raises(SubtheoryError, match="models"),
    ):
        [parts.kept_arrays("models", compute) for _ in range(2)]
    assert same(from_arrays(parts.kept_arrays("models", compute)), models[0]) and len(made) == 2, "outside a run"


@pytest.mark.parametrize(
    ("field", "call"),
    [
        ("params", lambda: to_arrays(np.ones(2))),
        ("params", lambda: to_arrays([np.ones(2)])),
        ("params", lambda: to_arrays({"a/b": np.ones(2)})),
        ("arrays", lambda: from_arrays({"a": np.ones(1), "a/b": np.ones(1)})),
        ("arrays", lambda: from_arrays({"a/b": np.ones(1), "a": np.ones(1)})),
        ("rate", lambda: Schedule(rate=0.0)),
        ("epochs", lambda: Schedule(epochs=0)),
        ("rate", lambda: Fit(1, rate=0.0)),
        ("steps", lambda: Fit(0)),
        ("steps", lambda: Fork(steps=0)),
        ("batch", lambda: Fork(batch=0)),
    ],
)
def test_what_cannot_be_used_is_named(field, call):
    with pytest.raises(InputError) as error:
        call()
    assert error.value.field == field


def test_an_epoch_sees_every_row_once():
    rows = orders(np.random.default_rng(0), 10, 5, 4)
    assert rows.shape == (5, 4) and sorted(rows.ravel()[:10]) == sorted(rows.ravel()[10:]) == list(range(10))
    assert np.array_equal(Fit(5, 4).rows(0, 10), rows)
