"""Where the sign law of an instrument may be judged: not where D is rounding."""

import numpy as np
from shapes import SMOOTH

from subtheory.instruments.first_order import outputs_rounding
from subtheory.instruments.sign_law import law, probability, regime
from subtheory.kernels.stack import on_channel
from subtheory.setting.setting import Setting
from subtheory.theory.losses import CrossEntropy


def test_where_alignments_are_rounding_the_law_may_be_off_by_all_that_rounding_adds():
    """It acts like a larger signal: the probability rises at least by its share, and never above 1."""
    setting = Setting(SMOOTH, CrossEntropy(), examples=2, trait_examples=4, eps=(1e-3, 1e-13))
    known = law(setting, 0, (0.5, 1.0))
    found = regime(known, setting.loss, 5, draws=3)
    noise = known.radius * known.size
    np.testing.assert_allclose(known.radius, known.critical[:, None] * [0.5, 1.0])
    rounding = float(outputs_rounding(known.s, setting.loss, on_channel(known.s)))
    added = probability(known.s.eps[:, None] * known.q / noise + rounding / noise, known.P) - known.predicted
    assert np.all(added <= found) and np.all(found[1] <= 1 - known.predicted + 1e-12)
    assert np.all(added[1] > 0.02) and np.all(added[0] < 1e-6)
