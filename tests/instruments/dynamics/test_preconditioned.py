"""Steps in another metric against the plain instrument in stretched coordinates, and against FirstOrder where C = I."""

from dataclasses import replace

import numpy as np
import pytest
from shapes import SMOOTH

from subtheory.errors import InputError
from subtheory.instruments.dynamics.preconditioned import InMetric
from subtheory.instruments.first_order import FirstOrder
from subtheory.kernels.stack import labels, one, updates
from subtheory.setting.preparation import stack
from subtheory.setting.setting import Setting
from subtheory.setting.student import Elsewhere, Redrawn
from subtheory.setting.teachers import Ruled
from subtheory.theory.losses import CrossEntropy, SquaredError
from subtheory.theory.rule import DrawnMetric, Signs
from subtheory.theory.trains import Half

BASE = Setting(SMOOTH, CrossEntropy(), examples=5, trait_examples=6, alpha=0.7)
SEEDS = (3, 4)


def records(setting, instrument=InMetric(), losses=None):
    return instrument.records(setting, SEEDS, losses or (setting.loss,))


@pytest.mark.parametrize("changes", [{}, {"init": Redrawn()}, {"trains": Half()}], ids=str)
def test_without_a_metric_it_is_the_first_order(changes):
    setting = BASE.but(**changes)
    losses = (CrossEntropy(), SquaredError())
    plain, found = records(setting, FirstOrder(), losses), records(setting, losses=losses)
    for name in plain:
        for first, other in zip(plain[name], found[name], strict=True):
            np.testing.assert_allclose(first.alignment, other.alignment, rtol=1e-12)
            np.testing.assert_allclose(other.in_metric, other.alignment, rtol=0, atol=0)
            assert (first.leading, first.trait) == pytest.approx((other.form, other.trait), rel=1e-12)
            if changes != {"trains": Half()}:  # the unit of α is that of what the student trains
                assert first.alpha == pytest.approx(other.alpha, rel=1e-12)
                np.testing.assert_allclose(first.trait_change, other.trait_change, rtol=1e-9, atol=first.trait_rounding)


def test_a_metric_by_hand():
    """Δ, step, α, change of L_T and the product in C⁻¹ with C as a matrix."""
    C = DrawnMetric(2).raised(np.eye(SMOOTH_SIZE))
    setting = BASE.but(teacher=Ruled(DrawnMetric(2)), rule=DrawnMetric(2))
    s = stack(setting, SEEDS)
    for k, m in enumerate(records(setting)[BASE.loss.name]):
        np.testing.assert_allclose(s.delta[k], -C @ s.trait.gradient(s.functions, s.theta0)[k], rtol=1e-10)
        plain = updates(replace(s, rule=BASE.student.rule), BASE.loss, labels(s, m.eps), base(s))[k]
        step = plain @ C
        np.testing.assert_allclose(m.alignment, step @ s.delta[k], rtol=1e-8)
        np.testing.assert_allclose(m.in_metric, step @ np.linalg.solve(C, s.delta[k]), rtol=1e-8)
        moved = s.theta0[k] + m.alpha * step
        trait = one(s, k).trait
        change = trait.value(s.functions, moved) - trait.value(s.functions, s.theta0[k])
        np.testing.assert_allclose(m.trait_change, change, rtol=1e-8, atol=m.trait_rounding)
        q = np.polyfit(m.eps[-3:], m.in_metric[-3:] / m.eps[-3:], 1)[1]
        G = (plain[-1] / m.eps[-1]) @ C @ (plain[-1] / m.eps[-1])
        assert m.form == pytest.approx(q, rel=1e-4) and m.alpha == pytest.approx(0.7 * q / G, rel=1e-3)


SMOOTH_SIZE = stack(BASE, (0,)).theta0.shape[-1]


def base(s):
    return s.functions.values(s.theta0, s.x)


def test_many_at_once_are_what_each_is_alone():
    """Of `of`, and of another loss beside it."""
    setting = BASE.but(teacher=Ruled(DrawnMetric(1)), rule=DrawnMetric(1))
    both = records(setting, losses=(SquaredError(), CrossEntropy()))[BASE.loss.name]
    for seed, m in zip(SEEDS, both, strict=True):
        alone = InMetric().of(setting.distillation(seed))
        for name, value in vars(m).items():
            if name != "loss":
                np.testing.assert_allclose(getattr(alone, name), value, rtol=1e-9, atol=1e-18, err_msg=name)


def test_a_rule_without_a_metric_has_none_to_lower_by():
    (m, _) = records(BASE.but(rule=Signs()))[BASE.loss.name]
    assert np.array_equal(m.in_metric, m.alignment)
    with pytest.raises(InputError, match=r"^student: "):
        records(BASE.but(init=Elsewhere(replace(SMOOTH, width=3))))
