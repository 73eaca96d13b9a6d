"""The density of ties against what greedy labels add, and how many rows greedy and sampled labels need."""

from dataclasses import replace

import numpy as np
import pytest

from subtheory.claim import Verdict
from subtheory.claims import CLAIMS
from subtheory.claims.labels import greedy
from subtheory.instruments.inputs.ties import NearestTies, Ties
from subtheory.instruments.labelled import Labelled
from subtheory.theory.losses import CrossEntropy
from subtheory.theory.views import Drawn, Greedy

DENSITY = CLAIMS["flips-add-up-by-the-density-of-ties"]
RATIO = CLAIMS["greedy-and-sampled-rows-differ-by-a-ratio"]
LOSS = CrossEntropy()
TIES = NearestTies(2**15, 2**12)


@pytest.fixture(scope="module")
def found():
    (m,) = TIES.records(greedy.tied()[0], (1,), (LOSS,))[LOSS.name]
    return m


@pytest.fixture(scope="module")
def rows():
    (m,) = Labelled().records(greedy.drawn()[0], (1,), (LOSS,))[LOSS.name]
    return m


def drawn(count=100_000, rise=0.0, fall=0.0, eps=0.05):
    """Two outputs of a margin with density 1 + (rise·v − fall)m + m² below δ = ½, and v = ±1 alike, as behind a tie."""
    rng = np.random.default_rng(0)
    m = rng.uniform(0, 0.5, 4 * count)
    v = np.where(rng.random(m.size) < 0.5, 1.0, -1.0)
    bound = 1.25 + abs(rise) / 2
    kept = rng.random(m.size) * bound < 1 + (rise * v - fall) * m + m**2
    m, v = m[kept], v[kept]
    gains = (v * (m < eps * v))[None]
    return Ties(np.array([eps]), gains.mean(1), np.zeros(1), gains, m, v, 0.5, 1.0, 1.0), 1 / (bound * kept.mean())


@pytest.mark.parametrize("rise, fall", [(0.0, 0.0), (0.8, 0.0), (0.0, 0.9)])
def test_density_at_zero_is_found_beside_slope_kink_and_curvature(rise, fall):
    """P(kept) and the density of what is kept are known: E[v₊²p(0)] = ½·2/(acceptance · bound)."""
    m, at_zero = drawn(rise=rise, fall=fall)
    spread = m.near.std() / np.sqrt(m.near.size)
    assert abs(m.density - at_zero) < 5 * spread < 0.05 * at_zero
    assert DENSITY.check(m).verdict is Verdict.HOLDS
    plain = float(np.mean(m.velocity**2) / (2 * m.delta))  # without the kernel kink and curvature are taken for density
    assert abs(plain - at_zero) > 5 * spread


def test_rows_are_the_ones_nearest_a_tie_and_step_as_rows_of_a_channel_do(found):
    assert found.margin.max() < found.delta and found.share == 1 / 8
    np.testing.assert_allclose(found.added, found.gains.mean(axis=1), atol=found.rounding.max())
    # But for third outputs that overtake both, and curvature, a label flips where the margin is below εv.
    overtaken = found.margin < found.eps[:, None] * found.velocity
    assert np.mean((found.gains != 0) == overtaken) > 0.98
    (other,) = TIES.records(greedy.tied()[0].but(view=Drawn()), (1,), (LOSS,))[LOSS.name]
    np.testing.assert_array_equal(other.margin, found.margin)


def test_another_constant_or_order_is_noticed(found):
    assert DENSITY.check(found).verdict is Verdict.HOLDS
    for factor in (0.5, 2.0, found.eps / found.eps[0]):
        assert DENSITY.check(replace(found, added=factor * found.added)).verdict is Verdict.FAILS
    few = NearestTies(2**9, 2**6).records(greedy.tied()[0], (1,), (LOSS,))[LOSS.name][0]
    assert DENSITY.check(few).verdict is Verdict.UNDECIDED


def test_rows_are_counted_by_flips_and_by_divergence(rows):
    assert RATIO.check(rows).verdict is Verdict.HOLDS
    # Labels at another temperature, velocities of another size, a step that is not the mean of its rows.
    (hot,) = Labelled().records(greedy.drawn()[0].but(view=Drawn(temperature=3.0)), (1,), (LOSS,))[LOSS.name]
    assert RATIO.check(hot).verdict is Verdict.FAILS
    assert RATIO.check(replace(rows, added=2 * rows.added)).verdict is Verdict.FAILS
    assert RATIO.check(replace(rows, log_r=rows.log_r[::-1].copy())).verdict is Verdict.FAILS


def test_greedy_labels_are_no_sampled_ones(rows):
    (hard,) = Labelled().records(greedy.drawn()[0].but(view=Greedy()), (1,), (LOSS,))[LOSS.name]
    assert RATIO.check(hard).verdict is Verdict.FAILS and rows.form == hard.form
