"""Pools of teachers by the definition of their labels, and guests whose share is what they add to it."""

import numpy as np

from subtheory.claims.dynamics.traits import guests
from subtheory.constructed.labels import classifier
from subtheory.instruments.dynamics.confusion import Another, several, taught
from subtheory.instruments.dynamics.pooled import Guested, Pools, guest
from subtheory.setting.student import Redrawn, Shared
from subtheory.theory.losses import CrossEntropy, softmax

LOSS = CrossEntropy()


def pool(setting, seed=3):
    return Pools().records(setting, (seed,), (LOSS,))[LOSS.name][0]


def by_hand(m, each, guest=None):
    """[Δθ_S(ε) − Δθ_S(0)] · Δ_i at the largest ε, the last teacher being the guest; softmaxes and pullbacks alone."""
    s = each[0]
    steps = []
    for eps in (m.eps[0], 0.0):
        own = [one.theta0 + eps * one.delta for one in (*each[:-1], guest or each[-1])]
        y = sum(w * s.functions.values(theta, s.x) for w, theta in zip(m.weights, own, strict=True))
        r = softmax(y, s.outputs) - softmax(s.functions.values(s.theta0, s.x), s.outputs)
        steps.append(s.functions.pulls(s.theta0, r / s.x.shape[1], s.x))
    return np.array([np.sum((steps[0] - steps[1]) * one.delta) for one in each])


def test_labels_are_pooled_outputs():
    m, each = pool(classifier()), taught(classifier(), (3,))
    assert np.isclose(m.weights.sum(), 1) and len(m.weights) == len(each)
    np.testing.assert_allclose(m.added[0], by_hand(m, each), atol=m.rounding.max())


def test_the_last_teacher_learns_from_the_init_of_the_setting():
    setting, seed = classifier().but(init=Redrawn()), 5
    m, each = pool(setting, seed), taught(setting, (seed,))
    last = Another(len(each) - 1, setting.teacher)
    away = guest(each[-1], last, each[-1].student, None)
    np.testing.assert_allclose(away.delta, -several(away.trait)[-1].gradient(away.functions, away.student))
    np.testing.assert_allclose(m.added[0], by_hand(m, each, away), atol=m.rounding.max())
    assert not np.allclose(m.added[0], by_hand(m, each), rtol=1e-2)


def test_a_guest_of_the_shared_init_is_a_second_host():
    setting = guests()[0]
    (own,), (other,) = (Guested(6).records(one, (2,), (one.loss,))[one.loss.name]
                        for one in (setting.but(init=Shared(), eps=(1e-5,)), setting))  # fmt: skip
    np.testing.assert_allclose(own.share, 1, atol=1e-3)
    assert np.ptp(other.share) > 0.01
