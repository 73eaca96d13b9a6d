"""Rounded labels: no filter where many outputs dither, and nothing where none crosses a boundary."""

import numpy as np
from scipy.special import ndtri

from subtheory.claim import Assumption, Control, Evidence, claim
from subtheory.claims.assumptions import GRADIENT_STUDENT, SHARED_INIT
from subtheory.claims.inits import one_step
from subtheory.claims.labels.settings import SUBTRACTED
from subtheory.constructed.labels import classifier
from subtheory.instruments.labelled import Labelled, Labelling
from subtheory.setting.setting import Setting, ladder
from subtheory.theory.losses import SquaredError
from subtheory.theory.views import Full, Rounded

GRID = 0.1
"""Spacing of the labels, a fifth of the spread of the outputs."""

ROWS, FEW = 16384, 2
"""Inputs, of 7 outputs each: many, and few."""

EPS = tuple(0.01 * 2.0**-k for k in range(4))
"""Relative sizes of the teacher's update: an output moves by 1/25 ... 1/200 of the grid."""

LEVEL = 1e-6
"""Chance that a true law leaves one interval; a verification of 8 seeds looks at 32."""

FINE = Assumption(
    "fine-grid",
    "The grid is fine beside the spread of the outputs, so that they fall anywhere between two of its points.",
    lambda setting: setting.but(view=Rounded(4.0)),
)

ROUNDED = Assumption(
    "rounded",
    "The labels are rounded to a grid that is coarse beside the outputs' moves.",
    lambda setting: setting.but(view=Full()),
)

COARSE = Assumption(
    "coarse-grid",
    "No output crosses a boundary: the grid is that coarse.",
    lambda setting: setting.but(view=Rounded(GRID / 2**20)),
)


def rounded() -> Setting:
    """Labels on a grid, squared error."""
    return classifier().but(loss=SquaredError(), view=Rounded(GRID))


def dithered() -> tuple[Setting, ...]:
    """Many outputs."""
    return (rounded().but(examples=ROWS, eps=EPS),)


def still() -> tuple[Setting, ...]:
    """Few outputs, and a teacher that hardly moves them."""
    return (rounded().but(examples=FEW, eps=ladder(0.5, 10)),)


def plain(setting: Setting) -> bool:
    """The theorem's teacher, and squared error."""
    return one_step(setting) and setting.loss == SquaredError()


def crossings(velocity: np.ndarray, eps: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of round((z + εu)/g) − round(z/g), z anywhere in its cell alike: εu/g, p(1 − p).

    p is the part of |εu|/g behind the point: so often one more boundary is crossed.
    """
    moved = eps * velocity / GRID
    p = np.abs(moved) % 1.0
    return moved, p * (1 - p)


@claim(
    formula="D(ε) − D(0) = εq ± √Var, Var = E-weighted Σ (2gu)² p(1 − p), p = ε|u|/g, for labels g·round(f/g)",
    source="round(z + εu) − round(z) has mean εu if z lies anywhere in its cell alike; conventions of docs/theory.md",
    controls=[Control(each, fails=0.95) for each in (FINE, SHARED_INIT, GRADIENT_STUDENT)],
    proof="rounding",
    applies=plain,
    settings=dithered,
    reads=Labelled(),
    run_tier="statistical",
)
def rounding_dithers_over_many_outputs(m: Labelling) -> Evidence:
    """Over many outputs labels on a grid carry all of εq, though ε moves each by a small part of the grid.

    On average over where outputs lie between two points of the grid, with the spread of as many independent
    crossings; exact under squared error, which is linear in its labels.
    """
    w = m.weights[:, None] * m.distilled
    law = [crossings(m.velocity, eps) for eps in m.eps]
    predicted = np.array([np.sum(2 * w * m.velocity * GRID * mean) for mean, _ in law])
    spread = np.sqrt([np.sum((2 * w * m.velocity * GRID) ** 2 * variance) for _, variance in law])
    off = np.abs(m.added - predicted) / (spread * -ndtri(LEVEL / 2))
    at = int(np.argmax(off))
    return Evidence(float(m.added[at] / predicted[at]), 1.0, float(1 - off[at]), eps=float(m.eps[at]))


@claim(
    formula="D(ε) = D(0) exactly for ε < min d/|u|, d the distance of an output to the boundary that it moves to",
    source="labels on a grid do not change before an output crosses; ε ≲ g/(NmE|u|) for N inputs of m outputs",
    controls=[Control(each, fails=0.95) for each in (ROUNDED, COARSE, SUBTRACTED)],
    proof="rounding",
    applies=plain,
    settings=still,
    reads=Labelled(),
    every_eps=True,
)
def rounding_below_every_boundary_carries_nothing(m: Labelling) -> Evidence:
    """Where no output crosses a boundary of the grid, labels on it add exactly 0, and beyond they add something.

    The first crossing is predicted from logits and velocities; sizes within a factor of 2 of it are not judged.
    """
    z, u = (each[:, m.distilled > 0] for each in (m.logits, m.velocity))
    place = (z / GRID - 0.5) % 1.0
    ahead = np.where(u > 0, 1 - place, place) * GRID
    with np.errstate(divide="ignore"):
        first = float(np.min(ahead / np.abs(u)))
    below, beyond = m.eps < first / 2, m.eps > 2 * first
    if not (np.any(below) and np.any(beyond)):
        return Evidence(0.0, 0.0, 0.0, "every ε is on one side of the first boundary")
    unit = float(np.max(np.abs(m.added)))
    left = float(np.max(np.abs(m.added[below]))) / (unit or 1.0)
    silent = np.all(m.added[below] == 0.0) and np.all(m.added[beyond] != 0.0)
    return Evidence(left, 0.0, 1.0 if silent else -1.0, eps=float(m.eps[below][0]))
