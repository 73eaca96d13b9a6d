"""Filters, masks and mixtures: what claims about them say, by hand, and that they tell one constant from the next."""

from dataclasses import replace

import numpy as np
import pytest

from subtheory.claim import Verdict
from subtheory.claims import CLAIMS
from subtheory.constructed import masks
from subtheory.constructed.labels import both, distilled
from subtheory.instruments.labelled import Directed, Labelled
from subtheory.theory.losses import CrossEntropy
from subtheory.theory.views import Best, Diluted, Full, Least, Preferred, Scored, Thinned, Within

SETTING = both()[0].but(examples=2)


def labelled(setting, seed=0):
    (found,) = Labelled().records(setting, (seed,), (setting.loss,))[setting.loss.name]
    return found


def verdict(name, m):
    return CLAIMS[name].check_measurement(m).verdict


JUDGED = [
    ("filtered-outputs-align-against-a-control", Within(tuple(distilled(SETTING)[::2].tolist())), "added"),
    ("raw-alignment-diverges-through-a-filter", Within(tuple(distilled(SETTING)[::2].tolist())), "alignment"),
    ("thinning-by-the-ratio-reverses-alignment", Thinned(2.0), "added"),
    ("filter-by-the-teachers-score-scales-the-slope", Scored(-2.0), "added"),
    ("teacher-rows-add-in-proportion", Diluted(0.1), "alignment"),
    ("minimum-over-sources-keeps-a-residue", Least(), "added"),
]


@pytest.mark.parametrize(("name", "view", "measured"), JUDGED, ids=[name for name, *_ in JUDGED])
def test_a_claim_tells_a_constant_that_is_off_by_a_hundredth_and_a_sign(name, view, measured):
    m = labelled(SETTING.but(view=view))
    assert verdict(name, m) is Verdict.HOLDS
    for factor in (1.01, -1.0):
        wrong = replace(m, **{measured: factor * getattr(m, measured)})
        assert verdict(name, wrong) is Verdict.FAILS


def directed(view):
    (found,) = Directed().records(SETTING.but(view=view), (0,), (SETTING.loss,))[SETTING.loss.name]
    return found


@pytest.mark.parametrize("view", [Full(), Preferred()], ids=lambda view: view.name)
def test_a_direction_is_told_from_one_a_twentieth_off_and_from_another_constant(view):
    d = directed(view)
    assert verdict("channels-share-one-direction", d) is Verdict.HOLDS
    for wrong in (
        replace(d, along=1.01 * d.along),
        replace(d, along=-d.along),
        replace(d, across=0.05 * d.along),
    ):
        assert verdict("channels-share-one-direction", wrong) is Verdict.FAILS


def test_verdicts_and_quantiles_keep_an_angle_and_a_step_of_order_zero():
    """½E|s₁ − s₂| of pairs, E[s | top quarter] of what is picked; their direction alone breaks the claim."""
    full = labelled(SETTING)
    apart = top = 0.0
    for share, p, s in zip(full.weights, full.p0, full.scores, strict=True):
        apart += share * sum(a * b * abs(x - y) for a, x in zip(p, s, strict=True) for b, y in zip(p, s, strict=True))
        room = 0.25
        for i in np.argsort(-s):
            top += share * min(p[i], room) * s[i] / 0.25
            room -= min(p[i], room)
    for view, constant in ((Preferred(hard=True), apart / 2), (Best(0.25), top)):
        assert labelled(SETTING.but(view=view)).added[-1] == pytest.approx(constant, rel=1e-12)
        d = directed(view)
        assert np.ptp(d.cosine) < 1e-9 and 0.5 < d.cosine[-1] < 0.98
        rescaled = replace(d, along=d.eps, across=d.eps * d.across / d.along)
        assert verdict("channels-share-one-direction", rescaled) is Verdict.FAILS


def test_numbers_of_one_label_at_a_time():
    """Slopes of what is added, in q, with sums over labels written out."""
    full = labelled(SETTING)
    q, eps = full.form, full.eps[-1]
    lowered = sum(
        share * p * min(s, 0) ** 2
        for share, ps, ss in zip(full.weights, full.p0, full.scores, strict=True)
        for p, s in zip(ps, ss, strict=True)
    )
    for view, slope in ((Thinned(2.0), -q), (Diluted(0.25), q / 4), (Least(), lowered), (Full(), q)):
        found = labelled(SETTING.but(view=view)).added[-1] / eps
        assert found == pytest.approx(slope, rel=2e-4), view.shown
    assert 0 < lowered < q


def test_numbers_of_the_proof_of_moving_masks():
    """5(σ(1) − σ(1 − 5ε)) beyond the tie, −(14/15) log 2 at ε = 3, and nothing below."""
    sigmoid = lambda x: 1 / (1 + np.exp(-x))  # noqa: E731
    m = labelled(masks.overtaking())
    expected = np.where(m.eps > masks.TIE, 5 * (sigmoid(1.0) - sigmoid(1 - 5 * m.eps)), 0.0)
    np.testing.assert_allclose(m.alignment, expected, atol=1e-12)
    assert np.sum(expected > 0) == 2
    m = labelled(masks.bent())
    np.testing.assert_allclose(m.alignment, [-14 / 15 * np.log(2), 0, 0, 0, 0, 0], atol=1e-12)


def test_a_fixed_mask_in_the_place_of_the_moving_one_keeps_the_zero_branch():
    m = labelled(masks.overtaking().but(loss=CrossEntropy(), outputs=(0, 1)))
    np.testing.assert_allclose(m.alignment, 0, atol=1e-12)
    assert verdict("moving-masks-break-the-zero-branch", m) is Verdict.FAILS
