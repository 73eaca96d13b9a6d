"""Claims about adapters: what a law that is a little off does to them, and whose factor a student has."""

from dataclasses import replace

import numpy as np
import pytest

from subtheory.claim import Verdict
from subtheory.claims import CLAIMS
from subtheory.claims.dynamics import adapters
from subtheory.claims.dynamics.adapters import DRAWS, SHARED_FACTOR, low_rank
from subtheory.constructed import witnesses
from subtheory.constructed.labels import classifier
from subtheory.instruments.dynamics.adapted import Adaptations, cut
from subtheory.instruments.first_order import FirstOrder

MEAN, SPREAD = CLAIMS["lora-student-follows-on-average"], CLAIMS["lora-spread-falls-with-rank"]
SHARED, VECTOR = CLAIMS["shared-lora-factor-aligns-exactly"], CLAIMS["one-added-vector-aligns"]
VALUES, RANKS = np.array([-0.6, -0.2, 0.1, 0.5, 1.2]), np.array([1, 2, 4, 8])


def drawn(seed=0, size=1.0, power=0.5, shift=0.0):
    """Students of the law, of another size of the spread, another power of the rank, or another mean."""
    rng, q = np.random.default_rng(seed), VALUES.sum()
    found = np.stack([rng.chisquare(r, (DRAWS, VALUES.size)) @ VALUES / r for r in RANKS])
    found = q * (1 + shift) + (found - q) * size * (RANKS**0.5 / RANKS**power)[:, None]
    counts = np.sum(found[:, None] < cut(VALUES, RANKS)[..., None], axis=-1)
    return Adaptations(RANKS, DRAWS, q, VALUES, found.mean(axis=1), found.std(axis=1, ddof=1), counts, 0.0)


@pytest.mark.parametrize("seed", range(5))
def test_draws_of_the_law_are_as_claimed(seed):
    assert MEAN.check(drawn(seed)).verdict is SPREAD.check(drawn(seed)).verdict is Verdict.HOLDS


@pytest.mark.parametrize("size", [0.85, 1.15])
def test_a_spread_of_another_size_or_order_is_noticed(size):
    assert SPREAD.check(drawn(size=size)).verdict is Verdict.FAILS
    assert SPREAD.check(drawn(power=0.5 + np.sign(size - 1) * 0.25)).verdict is Verdict.FAILS
    assert MEAN.check(drawn(size=size)).verdict is Verdict.HOLDS, "the mean does not care"


@pytest.mark.parametrize("shift", [-0.15, 0.15])
def test_another_mean_is_noticed(shift):
    assert MEAN.check(drawn(shift=shift)).verdict is Verdict.FAILS


@pytest.mark.parametrize("claim", [MEAN, SPREAD], ids=lambda c: c.name)
def test_what_a_finite_size_hides_and_a_blind_channel_are_vacuous(claim):
    assert claim.check(replace(drawn(), shift=0.3)).verdict is Verdict.VACUOUS
    blind = replace(drawn(), values=np.zeros(3), form=0.0, mean=np.zeros(4), counts=np.zeros((4, 3)))
    assert claim.check(blind).verdict is Verdict.VACUOUS


def test_student_with_a_factor_of_its_own_is_the_same_function_and_turns_either_way():
    """B = 0: it has the base's outputs, the untrained teacher's labels move it nowhere, and D has no sign."""
    seeds = tuple(range(24))
    own = SHARED_FACTOR.breaks(low_rank()[0])
    records = FirstOrder().records(own, seeds, (own.loss,))[own.loss.name]
    signs = np.sign([m.alignment[-1] / m.eps[-1] for m in records])
    assert 4 <= np.sum(signs < 0) <= 20, "a fair coin leaves this with a chance of 3e-4"
    assert np.all(np.abs([m.alignment[-1] / m.eps[-1] for m in records]) < 1e3), "nothing of order 0"


def test_vectors_are_those_of_the_network_and_an_unmatched_teacher_turns_them_away():
    assert [s.student.trains.shown for s in adapters.vectors(classifier())] == ["Dense_0/bias"] * 2 + ["head/bias"] * 2
    for setting in witnesses.frozen():
        (m,) = FirstOrder().records(setting, (0,), (setting.loss,))[setting.loss.name]
        assert VECTOR.check(m).verdict is Verdict.FAILS and np.all(m.alignment < 0)
