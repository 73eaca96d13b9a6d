"""A prompted teacher: its labels by hand, its sign by what shift and trait have in common."""

import numpy as np

from subtheory.constructed.labels import texts
from subtheory.instruments.inputs.prompted import Prompted
from subtheory.numerics import float64
from subtheory.setting.setting import ladder
from subtheory.theory.losses import CrossEntropy, log_softmax

LOSS = CrossEntropy()


def prompted(setting, seeds, token=0):
    return Prompted(token=token).records(setting.but(eps=ladder(1.0), relative=False), seeds, (LOSS,))[LOSS.name]


def test_at_full_strength_the_teacher_is_the_init_behind_another_token():
    setting = texts()
    (m,), d = prompted(setting, (3,), token=2), setting.distillation(3)
    behind = np.array(d.x)
    behind[:, 0] = 2
    with float64():
        z = np.stack([np.asarray(setting.network.apply(d.theta0, x)) for x in behind])
    np.testing.assert_allclose(m.log_p[0], log_softmax(z, m.distilled), atol=1e-10)
    assert abs(m.control) <= m.rounding[-1]


def test_the_same_model_turns_students_either_way_by_its_prompt():
    """D at full strength is Σ (p_c − p0) s, as cross-entropy is linear in labels; some prompts align, some oppose."""
    signs = set()
    for m in prompted(texts(), tuple(range(6))):
        exact = m.mean(((m.p[0] - m.p0) * m.scores).sum(axis=-1))
        assert abs(m.alignment[0] - exact) < 1e-9 * np.sqrt(m.form)
        signs.add(np.sign(exact))
    assert signs == {-1.0, 1.0}
