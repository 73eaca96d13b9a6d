"""Many steps of one student: where they lead, how fast, and at which rate they turn away."""

from collections.abc import Sequence

import numpy as np

from subtheory.claim import Assumption, Control, Evidence, claim
from subtheory.claims.assumptions import SHARED_INIT, UNSEEN
from subtheory.claims.dynamics.settings import BELOW_THE_EDGE, OF_TRAINING, PLAIN_STEPS, classifiers, followed, trained
from subtheory.claims.first_order import regular
from subtheory.claims.inits import one_step
from subtheory.constructed import witnesses
from subtheory.constructed.labels import classifier
from subtheory.envelope import at_least, limit, worst
from subtheory.instruments.dynamics.trajectory import Training, Trainings, Trajectory
from subtheory.numerics import ROUNDINGS, UNIT
from subtheory.setting.setting import Setting
from subtheory.setting.student import Student
from subtheory.setting.teachers import Converged, Random
from subtheory.statistics import standard_error, student_quantile
from subtheory.theory.dynamics.spectrum import cosine, foreseen, gained, left, without
from subtheory.theory.losses import SquaredError
from subtheory.theory.rule import Descent, Orthogonal

STEPS = 32
"""Steps of one student, at the rate 1/λmax of the fastest stable descent.

At 2.1/λmax 1.1³² = 21: what the top mode holds of ‖Δ‖² has grown 450 times, so that a 450th outweighs all others.
"""

READS = Trajectory(STEPS)


@claim(
    formula="(θ_S(t) − θ0) · Δ = ε Δᵀ(I − (I − αG)ᵗ)Δ + O(ε²), t = 1 ... 32, α = 1/λmax(G)",
    source="the student's step at θ0 + εd is εG(Δ − d) + O(ε²); predictions P21 and P22, gap g11",
    controls=OF_TRAINING,
    applies=one_step,
    settings=trained,
    reads=READS,
    proof="many_steps",
)
def many_steps_have_a_closed_form(r: Training) -> Evidence:
    """After any number of steps a student stands where the closed form of the linear model says, to second order in ε.

    Each step takes the same share αλ of what is left in a mode, so that the first steps are those of the top modes.
    """
    return followed(r, r.travelled, np.array([r.spectrum.form(gained(r.rate, t)) for t in range(r.steps + 1)]))


def stable() -> tuple[Setting, ...]:
    """Networks at the rate 1/λmax, and some at 1.9/λmax."""
    return *trained(), *(setting.but(alpha=1.9) for setting in classifiers())


@claim(
    formula="‖θ_S(t) − θ0 − εΔ‖² = ε² Δᵀ(I − αG)²ᵗΔ + O(ε³) falls and (θ_S(t) − θ0) · Δ > 0 for all t, α < 2/λmax(G)",
    source="|1 − αλ| < 1 in every mode that the channel sees; prediction P21, gaps g4 and g11",
    controls=[
        # Beyond the edge all is as before where the top mode holds much less than a 450th of ‖Δ‖².
        Control(BELOW_THE_EDGE, fails=0.8),
        Control(SHARED_INIT, fails=0.95),
        Control(PLAIN_STEPS, fails=0.95),
    ],
    applies=one_step,
    settings=stable,
    reads=READS,
    proof="many_steps",
)
def many_steps_align_below_the_critical_rate(r: Training) -> Evidence:
    """Below the critical rate each step leads nearer to a near teacher, and none back behind the shared init.

    With the distance that the closed form says, order and constant. At 2.1/λmax the distance grows.
    """
    found = []
    for t in range(1, r.steps + 1):
        predicted = r.eps * np.sqrt(r.spectrum.form(left(r.rate, 2 * t)))
        found.append(limit(r.distance[:, t], predicted, predicted, r.eps, 2, np.full_like(r.eps, r.blur[t])))
    nearer = np.diff(r.distance[-1]) <= r.blur[1:]
    # What is rounding may be behind the init, but not where it ought to be more than that.
    way, off = r.travelled[-1, 1:], r.rounding[1:]
    clear = r.eps[-1] * np.array([r.spectrum.form(gained(r.rate, t)) for t in range(1, r.steps + 1)]) > 2 * off
    return worst([*found, at_least(way, 0, off)], holds=np.all(nearer) and np.all(way[clear] > 0))


UP_TO_THE_TOP = Assumption(
    "rate-of-the-top-mode",
    "The student's rate is at most 1/λmax: no mode crosses its minimum.",
    BELOW_THE_EDGE.breaks,
)


@claim(
    formula="cos(t) = ΔᵀG(I − αG)ᵗΔ/(‖Δ‖‖G(I − αG)ᵗΔ‖) + O(ε) > 0, t = 0 ... 31, α = 1/λmax(G)",
    source="step t + 1 is along G(I − αG)ᵗΔ; prediction P22, the setting of arXiv 2604.25779",
    controls=[
        Control(UP_TO_THE_TOP, fails=0.8),
        Control(SHARED_INIT, fails=0.95),
        Control(PLAIN_STEPS, fails=0.95),
    ],
    applies=one_step,
    settings=trained,
    reads=READS,
    proof="many_steps",
)
def multi_step_cosine_follows_the_spectrum(r: Training) -> Evidence:
    """The angle between a step and the teacher's direction follows from the spectrum of G under Δ, and stays acute.

    It need not shrink: `multi-step-cosine-can-rise-and-fall`.
    """
    rounding = r.blur[1:] / (r.rate * r.size)
    found = [at_least(r.cosine[-1], 0, rounding[-1])]
    for t in range(r.steps):
        predicted = np.full_like(r.eps, cosine(r.spectrum, r.rate, t))
        found.append(limit(r.cosine[:, t], predicted, predicted, r.eps, 1, rounding[:, t]))
    return worst(found)


TWO_SPEEDS = Assumption(
    "two-speeds", "The channel sees two directions with different eigenvalues, and Δ has both.", lambda setting: None
)


@claim(
    formula="λ = (1, ¼) λmax, Δ = (1, 1), αλmax = ½:  cos(t)² = 25/34, 12769/12994, 11730625/13626754 at t = 0, 2, 4",
    source="G(I − αG)ᵗΔ turns from the fast mode through Δ to the slow one; prediction P22",
    controls=[Control(TWO_SPEEDS, witnesses=witnesses.one_speed)],
    settings=witnesses.two_speeds,
    reads=Trajectory(5),
    every_eps=True,
    proof="many_steps",
)
def multi_step_cosine_can_rise_and_fall(r: Training) -> Evidence:
    """The alignment of a student's steps can rise and then fall: it is not monotone in their number."""
    measured, expected = r.cosine[:, ::2], np.sqrt([25 / 34, 12769 / 12994, 11730625 / 13626754])
    off = np.abs(measured - expected) / (r.blur[1:6:2] / (r.rate * r.size[:, ::2]))
    at = int(np.argmax(off.max(axis=0)))
    return Evidence(float(measured[-1, at]), float(expected[at]), float(1 - off.max()))


SLOW = Assumption(
    "slow",
    "The student's rate is below 1/λmax: no step crosses the minimum.",
    lambda setting: setting.but(alpha=1.5),
)


@claim(
    formula="f = θ1 + θ0² − θ0θ1, L_T = −θ0 at 0:  (θ_S(1) − θ0) · Δ = 0,  (θ_S(2) − θ0) · Δ = −4α²ε⁴(1 − 2α)",
    source="counterexample to the dichotomy of arXiv 2507.14805 after a second step; prediction P21, gap g11",
    controls=[Control(SLOW, fails=1.0), Control(UNSEEN, witnesses=witnesses.seen_second_step)],
    settings=witnesses.second_step,
    reads=Trajectory(2),
    every_eps=True,
    proof="many_steps",
)
def two_steps_break_the_dichotomy(r: Training) -> Evidence:
    """Two steps can lead away from the teacher and raise the trait loss, where the first leads nowhere, as it must.

    "Aligned or at rest" is a statement about one step: the first has changed what the channel sees.
    """
    predicted = -4 * r.rate**2 * r.eps**4 * (1 - 2 * r.rate)
    rounding = np.full_like(r.eps, ROUNDINGS * UNIT) * r.eps**4
    moved = limit(r.travelled[:, 2], predicted, predicted, r.eps, 5, rounding)
    trait = limit(r.trait[:, 0] - r.trait[:, 2], predicted, predicted, r.eps, 5, rounding)
    return worst([moved, trait], holds=np.all(r.travelled[:, 1] == 0) and np.all(r.travelled[:, 2] < 0))


REMOVED = Assumption(
    "removed",
    "Every step loses its part along the teacher's direction.",
    lambda setting: setting.but(rule=Descent()),
)


def removed() -> tuple[Setting, ...]:
    """Students whose steps are at a right angle to Δ."""
    return tuple(setting.but(rule=Orthogonal()) for setting in classifiers())


@claim(
    formula="(θ_S(t) − θ0) · Δ = 0,  L_T(θ_S(t)) − L_T(θ0) = O(ε²),  L_S − min L_S = ½ε² Σ λa(t)² + O(ε³)",
    source="a(t + 1) = a − αλa + αc Σcλa/‖Δ‖², a(0) = c; prediction P22, projection as in arXiv 2604.25779",
    controls=[Control(REMOVED, fails=0.95), Control(SHARED_INIT, fails=0.95)],
    applies=one_step,
    settings=removed,
    reads=READS,
    proof="projected_steps",
)
def steps_without_their_part_along_the_teacher_carry_nothing(r: Training) -> Evidence:
    """Steps that lose their part along Δ leave the trait loss alone to first order, and still learn the labels.

    What is left of the imitation loss after t of them is that of the projected recursion, order and constant.
    """
    size2 = r.spectrum.form(np.ones_like)
    found = []
    for t, a in enumerate(without(r.spectrum, r.rate, r.steps)):
        predicted = r.eps**2 * (r.spectrum.values * a**2).sum() / 2
        rounding = r.eps * r.rounding[max(t, 1)] / r.rate
        found.append(limit(r.missed[:, t], predicted, predicted, r.eps, 3, rounding))
        if t:
            change, unit = r.trait[:, t] - r.trait[:, 0], r.eps * r.spectrum.form(gained(r.rate, t))
            found.append(limit(change, 0 * change, unit, r.eps, 2, np.full_like(r.eps, r.trait_rounding[t])))
    # A step loses its part along Δ but for its rounding, beside which that of the outputs is no error.
    clean = np.abs(r.travelled[:, 1:]) <= ROUNDINGS * UNIT * r.rate * np.cumsum(r.size, axis=1) * np.sqrt(size2)
    return worst(found, holds=np.all(clean))


def elsewhere() -> tuple[Setting, ...]:
    """Teachers that went anywhere, so that the trait loss is one that neither of the two trains on.

    At an eighth of the rate, where the bounds of 8 seeds are 4 to 34 of 32 steps; at 1/λmax they are 1 to 5.
    """
    return tuple(setting.but(teacher=Random(), alpha=0.125) for setting in classifiers())


@claim(
    formula="L′(θ0) − L′(θ_S(t)) = ε Σ m(1 − (1 − x)ᵗ) + O(ε²), x = αλ: one sign for t < 1 + 2|Σ mx|/Σ₊ |m|x²",
    source="m = (v·Δ)(v·(−∇L′)); tx − t(t − 1)x²/2 ≤ 1 − (1 − x)ᵗ ≤ tx on 0 ≤ x ≤ 1; prediction P53",
    controls=OF_TRAINING,
    applies=regular,
    settings=elsewhere,
    reads=READS,
    proof="first_step",
)
def first_step_forecasts_the_rest(r: Training) -> Evidence:
    """Another loss changes after t steps of a near teacher's student in the sense of the first, up to a bound.

    The bound is that of the spectrum, Σ₊ over the modes that pull as the first step does; and the change at each t is
    what the modes say, order and constant. Beyond: `a-first-step-can-mislead-beyond-its-bound`.
    """
    change, weight = r.trait[:, :1] - r.trait, r.slope * r.spectrum.along
    found = []
    for t in range(1, r.steps + 1):
        each, rounding = weight * gained(r.rate, t)(r.spectrum.values), np.full_like(r.eps, r.trait_rounding[t])
        found.append(limit(change[:, t], r.eps * each.sum(), r.eps * np.abs(each).sum(), r.eps, 2, rounding))
    first = change[-1, 1]
    sense = np.sign(first) * (np.abs(first) > r.trait_rounding[1])  # none, where rounding makes it
    before = 1 + np.flatnonzero(np.arange(1, r.steps + 1) < foreseen(r.rate, r.slope, r.spectrum))
    return worst([*found, at_least(sense * change[-1, before], 0, r.trait_rounding[before])])


AGAINST = Assumption("against", "A slow mode pulls another loss against the fast one.", lambda setting: None)


@claim(
    formula="αλ = (½, ⅛), m = (1, −2):  Σ m(1 − (1 − αλ)ᵗ) > 0 for t = 1 ... 4 and < 0 for t = 5 ... 8, the bound is 3",
    source="the fast mode is exhausted and the slow one is not; prediction P53",
    controls=[Control(AGAINST, witnesses=witnesses.together)],
    settings=witnesses.against,
    reads=Trajectory(8),
    every_eps=True,
    proof="first_step",
)
def a_first_step_can_mislead_beyond_its_bound(r: Training) -> Evidence:
    """Beyond the bound of the spectrum another loss can rise that the first step lowered."""
    change = (r.trait[:, :1] - r.trait[:, 1:]) / r.eps[:, None]
    t = np.arange(1, r.steps + 1)
    expected = (1 - 0.5**t) - 2 * (1 - 0.875**t)
    off = np.abs(change - expected) / (ROUNDINGS * UNIT)
    signs = np.all(change[:, :4] > 0) and np.all(change[:, 4:] < 0)
    end = float(foreseen(r.rate, r.slope, r.spectrum))
    margin = 1 - float(off.max()) if signs and abs(end - 3) <= ROUNDINGS * UNIT else -1.0
    return Evidence(float(change[-1, 4]), float(expected[4]), margin)


# Far from θ0 ----------------------------------------------------------------------------------------

FAR, DRAWS = 64, 32
"""Steps of a student of a teacher that was trained, and such students a run."""

LEVEL = 1e-4
"""Chance that the mean cosine of one step is taken for positive where it is not, over all draws of a run.

A run of students of other inits, whose mean is 0, is taken for aligned at all its steps less often than that.
"""


def converged() -> tuple[Setting, ...]:
    """Teachers trained on their class logits until their loss is small, students of their auxiliary logits."""
    far = classifier().but(teacher=Converged(), outputs="aux", eps=(1.0,), relative=False)
    return far, far.but(loss=SquaredError())


@claim(
    formula="mean over draws of cos(Δθ_S(t), θ_T − θ0) > 0 for every t = 0 ... 63",
    source="prediction P22 where nothing is small, gap g11; the setting of arXiv 2604.25779",
    controls=[Control(SHARED_INIT, fails=0.95)],
    applies=lambda setting: setting.teacher == Converged() and setting.student == Student(),
    settings=converged,
    reads=Trainings(DRAWS, FAR),
    run_tier="statistical",
)
def alignment_is_sustained_in_training(several: Sequence[Training]) -> Evidence:
    """Students of a really trained teacher step towards it on average, at each step until they have learned its labels.

    No law of small ε says so. Beside the mean over all steps stands that of the linear model's spectrum.
    """
    measured = np.array([r.cosine[0] for r in several])
    needed = standard_error(measured) * student_quantile(1 - LEVEL, len(measured) - 1)
    above = measured.mean(axis=0) / needed
    linear = [[cosine(r.spectrum, r.rate, t) for t in range(r.steps)] for r in several]
    return Evidence(float(measured.mean()), float(np.mean(linear)), float(above.min() - 1))
