"""The mean-field curve: what crosses between two inits of correlation ρ, predicted from kernels before any run.

Settings are constructed: MLPs of one hidden layer on fixed data, a regression for the trait and auxiliary outputs for
the channel, where the term in 1/width that mean-field theory leaves out is known exactly (`rest`).
"""

import numpy as np

from subtheory.claim import Assumption, Control, Evidence, claim
from subtheory.claims.assumptions import SAME_PARAMETERS
from subtheory.data.toys import toy
from subtheory.init import PATHS
from subtheory.instruments.mean_field import Regression, Transfer, Transferred, Unrelated
from subtheory.networks import MLP
from subtheory.setting.setting import Setting
from subtheory.setting.student import Along, Student, amount_of
from subtheory.statistics import standard_error

INITS = 512
"""Pairs of inits of one run."""

SIGMAS = 6.0
"""Standard errors that a mean may be off: 2·10⁻⁹ for each of 48 runs if it is normal. A mean of m numbers of skewness γ
is nearly so: the tail of its Student's t grows by about e^{γz³/(3√m)}, 600 times at γ = 2. 48 · 600 · 2·10⁻⁹ < 10⁻⁴."""

RHOS = (0.9, 0.6, 0.3)
"""Correlations of teacher's and student's init."""

EPS = 1e-6
"""Size of the teacher's update: what is added is linear in it to about as much, and rounded to 10⁻¹⁰ of itself."""

CORRELATED = Assumption(
    "correlated",
    "The two inits have the correlation ρ that the prediction is made for, entry by entry.",
    lambda setting: setting.but(init=Along(Unrelated(), amount_of(setting.student.init))),
)


def settings() -> tuple[Setting, ...]:
    """A tanh and a ReLU layer at each ρ, on auxiliary outputs, which only the fluctuation of a kernel reaches."""
    task = toy((6,), 8, 16)
    return tuple(
        Setting(MLP(64, 1, activation, task=task), outputs="aux", eps=(EPS,), relative=False, examples=2,
                trait_examples=2, source=Regression(task), student=Student(Along(PATHS["correlated"], 1 - rho)))
        for activation in ("tanh", "relu")
        for rho in RHOS
    )  # fmt: skip


@claim(
    formula="E[D(ε) − D(0)]/ε = T∞(ρ)(1 + c/n), T∞ by the recursion of NNGP and NTK between inits of correlation ρ",
    source="kernels between two inits, and the fluctuation of a block between two outputs; prediction P44",
    controls=[Control(CORRELATED, fails=0.95), Control(SAME_PARAMETERS, fails=0.95)],
    settings=settings,
    reads=Transfer(INITS),
    run_tier="statistical",
    proof="mean_field",
)
def mean_field_curve_predicts_transfer(t: Transferred) -> Evidence:
    """What a teacher adds to a student whose init has correlation ρ with its own is known before any run.

    The mean over inits is the prediction within its standard errors and the term in 1/width, which is known. Sign,
    size and dependence on ρ are judged at once: nothing is fitted.
    """
    measured, error = float(np.mean(t.added)), float(standard_error(t.added))
    tolerance = SIGMAS * error + abs(t.rest)
    ratio = measured / t.predicted
    if tolerance > abs(t.predicted - t.unrelated) / 2:
        return Evidence(ratio, 1.0, 0.0, undecided="too few inits to tell this ρ from 0")
    return Evidence(ratio, 1.0, float(1 - abs(measured - t.predicted) / tolerance))
