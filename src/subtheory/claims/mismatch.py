"""A student whose init is off by a random δ: how often it still steps towards its teacher, and how far off it may be.

Settings are constructed: a small network, a gradient step of the teacher, sizes ε at which the law's neglected terms
are far below what is measured. Each run draws its own init, data and students; radii are in units of r*.
"""

import numpy as np
from scipy.special import ndtri

from subtheory.claim import Assumption, Control, Evidence, claim
from subtheory.claims.assumptions import SHARED_INIT, UNFILTERED
from subtheory.claims.inits import one_step
from subtheory.data.toys import toy
from subtheory.init import PATHS
from subtheory.instruments.sign_law import Frequencies, SignLaw
from subtheory.networks import MLP
from subtheory.setting.setting import Setting
from subtheory.setting.student import Along
from subtheory.statistics import surprise
from subtheory.theory.losses import CrossEntropy

LEVEL = 1e-8
"""Chance that a true law leaves one interval. A run looks at 16 (12 cells, and 4 sums over ε), a verification of
3 settings and 8 seeds at 384. The law is judged only where what it neglects shifts a share by less than a fifth of
its standard error σ; that makes Φ(−5.7) at most three times larger. 384 · 3 · 10⁻⁸ < 2·10⁻⁵ < 10⁻⁴."""

SIGMAS = 5.5
"""Standard errors that a slope or a radius may be off: 4·10⁻⁸ for each of 48 numbers if they are normal. They are only
nearly so; even a tail thirty times heavier leaves 6·10⁻⁵ < 10⁻⁴."""

TELLING = 0.5
"""A mismatch that counts at second order has r* ∝ √ε: a slope of ½ has to be told from 1."""

EPS = tuple(1e-4 * 16.0**-k for k in range(3))
"""Relative sizes of the teacher's update."""

RELATIVE = (0.5, 0.8, 1.25, 2.0)
"""r/r*: where a share says most about r*, P(D > 0) from 0.98 to 0.69."""

EXAMPLES = 8
"""Of the channel, at most: every student sees them all."""

DRAWS = 400
"""Students at every ε and radius."""

READS = SignLaw(DRAWS, RELATIVE)

ISOTROPIC = Assumption(
    "isotropic",
    "The mismatch δ has no preferred direction: it is not confined to null(G), which the channel does not see.",
    lambda setting: setting.but(init=Along(PATHS["null-noise"])),
)


def missed(setting: Setting) -> tuple[Setting, ...]:
    """Any setting as one of the law: small ε, few examples, and a student that is off by isotropic δ."""
    examples = min(setting.examples, EXAMPLES)
    return (setting.but(eps=EPS, relative=True, examples=examples, init=Along(PATHS["noise"])),)


def settings() -> tuple[Setting, ...]:
    """A small tanh network in cross-entropy; all outputs, auxiliary ones, or those of the trait."""
    network = MLP(width=6, depth=1, task=toy((8,), 3, 4))
    each = (Setting(network, CrossEntropy(), outputs=o, examples=6, trait_examples=8) for o in ("all", "aux", "class"))
    return tuple(one for setting in each for one in missed(setting))


OUTSIDE = "the terms that the law neglects would shift the share by more than a fifth of its standard error"


def _silent(f: Frequencies) -> Evidence:
    """Why nothing can be judged."""
    if not np.all(np.isfinite(f.critical)):
        return Evidence(np.nan, np.nan, np.nan)
    return Evidence(0.0, 0.0, 1.0, OUTSIDE if np.all(f.critical > 0) else "the channel does not see Δ")


@claim(
    formula="P(D > 0) = ½ + ½I_{c²}(½, (P − 1)/2) → Φ(√P c), c = εΔᵀGΔ/(r‖GΔ‖), for δ uniform on a sphere of radius r",
    source="D = εΔᵀGΔ − ΔᵀGδ to first order in (ε, δ); prediction P16",
    controls=[Control(ISOTROPIC, fails=0.95), Control(SHARED_INIT, fails=0.95), Control(UNFILTERED, fails=0.95)],
    applies=one_step,
    spread=missed,
    settings=settings,
    reads=READS,
    run_tier="statistical",
    proof="mismatch_sign_law",
)
def mismatch_sign_law(f: Frequencies) -> Evidence:
    """A student whose init is off by an isotropic δ steps towards its teacher with the probability of the sign law.

    Judged where terms of second order, measured on other draws, are below chance: each ε and radius, and all ε at
    one r/r* together, whose probability is the same. In null(G) the mismatch does no harm, and the law is wrong.
    """
    sizes = len(f.eps)
    if not np.any(f.inside):
        return _silent(f)
    off = np.concatenate(
        [surprise(f.counts, f.draws, f.predicted), [surprise(f.counts.sum(0), sizes * f.draws, f.predicted)]]
    )
    off = np.where([*f.inside, f.summed_inside], off, -1.0)
    row, worst = np.unravel_index(np.argmax(off), off.shape)
    shares = [*(f.counts / f.draws), f.counts.mean(0) / f.draws]
    margin = float(1 + off.max() / ndtri(LEVEL / 2))
    return Evidence(float(shares[row][worst]), float(f.predicted[worst]), margin)


@claim(
    formula="r* = ε√P ΔᵀGΔ/‖GΔ‖: d log r*/d log ε = 1",
    source="the radius at which the mean of D is its standard deviation; prediction P16",
    controls=[Control(ISOTROPIC, fails=0.95), Control(SHARED_INIT, fails=0.95), Control(UNFILTERED, fails=0.95)],
    applies=one_step,
    spread=missed,
    settings=settings,
    reads=READS,
    run_tier="statistical",
    proof="mismatch_sign_law",
)
def critical_radius_is_proportional_to_eps(f: Frequencies) -> Evidence:
    """How far off an init may be is proportional to how far the teacher went, with the constant of the sign law.

    r* is fitted to the counts at each ε; slope and constant are judged by their standard errors. Where all students
    step towards the teacher, or most away from it, whatever the radius, there is no r*, and the claim fails, as for a
    slope of 0.
    """
    judged = np.all(f.inside, axis=1)
    if np.sum(judged) < 2:
        return _silent(f)
    fitted, error = f.fit
    if not np.all(np.isfinite(fitted[judged])):
        return Evidence(0.0, 1.0, -float("inf"))
    slope, slope_error = f.slope(judged)
    if SIGMAS * slope_error > TELLING:
        return Evidence(slope, 1.0, 0.0, undecided=f"a slope of {1 - TELLING:g} could not be told from 1")
    weight = error[judged] ** -2.0
    constant = np.sum(weight * np.log(fitted / f.critical)[judged]) * np.sum(weight) ** -0.5
    return Evidence(slope, 1.0, float(1 - max(abs(slope - 1) / slope_error, abs(constant)) / SIGMAS))
