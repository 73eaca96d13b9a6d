"""Labels through a view: the recorded laws and steps against the definition."""

import numpy as np
import pytest
from reference import Dense
from scipy.special import expit, log_softmax, softmax

from subtheory.claims.labels.mixtures import channels
from subtheory.constructed.labels import both, distilled
from subtheory.errors import InputError
from subtheory.instruments.labelled import Directed, Labelled
from subtheory.networks import Linear
from subtheory.numerics import float64
from subtheory.setting.student import Elsewhere, Redrawn
from subtheory.theory.losses import CrossEntropy, ReverseKL
from subtheory.theory.views import Full, Preferred, Within

LOSS = CrossEntropy()


def labelled(setting, seed=3):
    (found,) = Labelled().records(setting, (seed,), (LOSS,))[LOSS.name]
    return found


@pytest.mark.parametrize("half", [False, True], ids=["full", "within"])
def test_steps_are_those_of_the_definition(half):
    setting = both()[half]
    view = Within(tuple(distilled(setting)[::2].tolist())) if half else Full()
    setting = setting.but(view=view, examples=2)
    m, slow = labelled(setting), Dense(setting.distillation(3))
    assert all(slow.alignment(LOSS, float(e)).agrees(D) for e, D in zip(m.eps, m.alignment, strict=True))
    assert np.all(np.abs(m.added - (m.alignment - m.control)) <= m.rounding)
    assert half == (abs(m.control) > 1e-6)


@pytest.mark.parametrize("setting", both(), ids=lambda s: s.network.name)
def test_laws_are_softmaxes_and_scores_their_slopes(setting):
    m, known = labelled(setting), distilled(setting)
    np.testing.assert_allclose(m.p0[:, known].sum(axis=1), 1.0, atol=1e-14)
    np.testing.assert_allclose(m.log_p0[:, known], log_softmax(m.logits[:, known], axis=1), atol=1e-12)
    slope = (m.log_p[-1] - m.log_p0)[:, known] / m.eps[-1]
    np.testing.assert_allclose(slope, m.scores[:, known], atol=1e-2 * np.abs(m.scores).max())
    assert m.divergence(m.log_p, m.log_p0)[-1] == pytest.approx(m.eps[-1] ** 2 * m.form / 2, rel=1e-2)


def test_texts_are_a_law_and_each_is_as_likely_as_its_letters_one_by_one():
    setting = both()[1]
    network, d = setting.network, setting.distillation(1)
    x, inner = np.asarray(d.x)[0], network.language
    with float64():
        out = np.asarray(network.apply(d.theta0, x))
        text = network.texts[37]
        letters = [np.asarray(inner.apply(d.theta0, np.concatenate([x, text])))[len(x) - 1 + t] for t in range(3)]
    by_hand = sum(log_softmax(z[:4])[y] for z, y in zip(letters, text, strict=True))
    assert out[3 + 37] == pytest.approx(by_hand, abs=1e-12)
    assert np.exp(out[3:]).sum() == pytest.approx(1.0, abs=1e-12)


def outcome_by_outcome(setting, p, p0, gradients):
    """The expected step of one example: what each label, each reward, or each pair of labels pulls, added up."""
    ratio, every = np.log(p) - np.log(p0), range(len(p))
    if isinstance(setting.loss, ReverseKL):
        return sum(p0[i] * ratio[i] * gradients[i] for i in every)
    if not isinstance(setting.view, Preferred):
        return sum(p[i] * gradients[i] for i in every)
    odds = expit(np.subtract.outer(ratio, ratio)) - 0.5
    return sum(p0[i] * p0[j] * odds[i, j] * (gradients[i] - gradients[j]) for i in every for j in every)


@pytest.mark.parametrize("setting", channels(), ids=lambda s: f"{s.network.name}-{s.loss.name}-{s.view.name}")
def test_directions_are_those_of_labels_rewards_and_pairs_one_by_one(setting):
    setting, known = setting.but(examples=2), distilled(setting)
    (d,) = Directed().records(setting, (3,), (setting.loss,))[setting.loss.name]
    slow = Dense(setting.distillation(3))
    p0 = softmax(slow.z0[:, 0, known], axis=-1)
    with float64():
        p = softmax(slow.f(slow.theta + d.eps[0] * slow.delta)[:, 0, known], axis=-1)
    J = slow.JS[:, 0, known]
    gradients = J - (p0[:, :, None] * J).sum(axis=1, keepdims=True)  # ∇log p0 of every label
    step = sum(
        w * outcome_by_outcome(setting, *each) for w, *each in zip(slow.d.weights, p, p0, gradients, strict=True)
    )
    F = slow.ggn_delta(LOSS)
    along = step @ F / (F @ F)
    assert d.along[0] == pytest.approx(along, rel=1e-9)
    assert d.across[0] == pytest.approx(np.linalg.norm(step - along * F) / np.linalg.norm(F), abs=1e-9 * along)
    assert d.across[0] > 1e4 * d.rounding[0]
    assert d.cosine[0] == pytest.approx(step @ F / np.linalg.norm(step) / np.linalg.norm(F), rel=1e-9)


def test_another_init_pulls_from_its_own_outputs_and_another_network_is_refused():
    setting = both()[0]
    assert abs(labelled(setting.but(init=Redrawn())).control) > 1e-3
    with pytest.raises(InputError, match="student"):
        labelled(setting.but(init=Elsewhere(Linear(task=setting.network.task))))
