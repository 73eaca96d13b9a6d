"""What claims about training share: which networks they speak of, what must break them, and how a way is followed."""

import numpy as np

from subtheory.claim import Assumption, Control, Evidence
from subtheory.claims.assumptions import GRADIENT_STUDENT, SAME_PARAMETERS, SHARED_INIT
from subtheory.constructed.labels import classifier, linear
from subtheory.envelope import limit, worst
from subtheory.instruments.dynamics.anchored import Anchoring
from subtheory.instruments.dynamics.trajectory import Training
from subtheory.networks import ConvNet
from subtheory.setting.setting import Setting
from subtheory.theory.losses import CrossEntropy, SquaredError

BELOW_THE_EDGE = Assumption(
    "below-the-critical-rate",
    "The student's rate is below 2/λmax of the channel's Gauss-Newton matrix.",
    lambda setting: setting.but(alpha=2.1),
)
"""The rate in units of 1/λmax."""

PLAIN_STEPS = Assumption(
    "plain-steps",
    "The student's steps are plain gradient steps, not steps of signs (Adam's first).",
    GRADIENT_STUDENT.breaks,
)

OF_TRAINING = [Control(each, fails=0.95) for each in (SHARED_INIT, PLAIN_STEPS, SAME_PARAMETERS)]
"""What breaks a claim about where plain training leads."""


def trained() -> tuple[Setting, ...]:
    """A classifier under both losses of the theorem, one that is linear in θ, and a convolutional network."""
    return *classifiers(), Setting(ConvNet(), CrossEntropy(), examples=4, trait_examples=8)


def classifiers() -> tuple[Setting, ...]:
    """A classifier under both losses of the theorem, and one that is linear in θ."""
    return classifier(), classifier().but(loss=SquaredError()), linear()


def followed(r: Training | Anchoring, measured: np.ndarray, predicted: np.ndarray) -> Evidence:
    """Whether what is travelled, (K, T + 1), tends to ε times a prediction, (T + 1,), after every number of steps."""
    rounding = np.ones_like(r.eps)
    return worst(
        limit(measured[:, t], r.eps * predicted[t], r.eps * predicted[t], r.eps, 2, r.rounding[t] * rounding)
        for t in range(1, len(predicted))
    )
