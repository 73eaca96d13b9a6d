"""What the cosine of a student's first step with its teacher's update says of what the student keeps, and what not."""

from dataclasses import replace

import numpy as np

from subtheory.claim import Assumption, Control, Evidence, claim
from subtheory.claims.dynamics.projection import EPS, LEFT, UNFINISHED, few, nearest
from subtheory.claims.dynamics.settings import OF_TRAINING
from subtheory.claims.inits import one_step
from subtheory.constructed import witnesses
from subtheory.constructed.labels import linear
from subtheory.envelope import at_least, limit
from subtheory.instruments.dynamics.projected import Converged, Projected, Rivals
from subtheory.instruments.dynamics.trajectory import Training, Trajectory
from subtheory.numerics import UNIT
from subtheory.setting.setting import Setting
from subtheory.theory.losses import SquaredError

SEEN = Assumption(
    "seen",
    "The channel sees all of Δ: it meets no eigenvalue 0 of G.",
    lambda setting: None if setting.source else setting.but(examples=1),
)

UNLIKE_MODES = Assumption(
    "unlike-modes",
    "Modes of the channel that the two teachers meet are learned at different rates.",
    lambda setting: None,
)


def covered() -> tuple[Setting, ...]:
    """Logits that are linear in θ, on more inputs than they have coordinates; and two modes met as the floor wants."""
    many = linear().but(examples=24, eps=EPS)
    return many, many.but(loss=SquaredError()), *witnesses.uneven_modes()


@claim(
    formula="cos(Δθ_S, Δ) ≥ 2√κ/(1 + κ) for Δ in the range of G, κ the ratio of its extreme eigenvalues there",
    source="L. V. Kantorovich's inequality for ΔᵀGΔ/(‖GΔ‖‖Δ‖); prediction P27",
    controls=[Control(SEEN, fails=0.95)],
    settings=covered,
    reads=Trajectory(1),
    proof="kantorovich",
)
def coverage_has_a_floor(r: Training) -> Evidence:
    """If the channel sees all of the teacher's update, the cosine of the student's step with it has a floor.

    Reached by a Δ that meets the two extreme eigenvalues λ with squared parts in the inverse ratio. A part that the
    channel does not see takes the floor away.
    """
    values = r.spectrum.values[r.spectrum.values > 0]
    kappa = values.max() / values.min()
    floor = 2 * np.sqrt(kappa) / (1 + kappa)
    found, off = nearest(r.cosine[:, 0], r.blur[1] / (r.rate * r.size[:, 0]))
    # Each eigenvalue is off by 2nuλmax, the smallest by 2nuκ of itself, and the floor by half of that.
    off += floor * len(r.spectrum.values) * UNIT * kappa
    return replace(at_least(found, floor, off), eps=float(r.eps[-1]))


@claim(
    formula="cos(Δθ_S, Δ)² = η cos(Δθ_S, ΠΔ)² + O(ε) ≤ η + O(ε)",
    source="GΔ = GΠΔ; coverage in the sense of arXiv 2606.22019 for small ε; prediction P27",
    controls=OF_TRAINING,
    applies=one_step,
    settings=few,
    reads=Projected(parts=True),
    proof="coverage",
)
def squared_coverage_bounds_the_share(c: Converged) -> Evidence:
    """The squared cosine of a student's first step is at most the share of its teacher that it keeps in the end.

    Exactly: that share times the squared cosine of the step with what is kept. All three are measured on one student.
    """
    if c.left > LEFT:
        return Evidence(0.0, 0.0, 1.0, UNFINISHED)
    squared, product = c.cosine**2, c.kept * c.even**2
    rounding = 4 * c.cosine_rounding + c.rounding
    return limit(squared, product, product, c.eps, 1, rounding)


@claim(
    formula="G = diag(1, 9, 0): Δ = (4, 0, 3) has cos = 4/5 and η = 16/25, Δ = (3, 1, 0) has cos = 3/5 and η = 1",
    source="counterexample: modes of one channel are learned at different rates; prediction P27",
    controls=[Control(UNLIKE_MODES, witnesses=witnesses.even_rivals)],
    settings=witnesses.rivals,
    reads=Rivals(),
    every_eps=True,
    proof="coverage",
)
def coverage_does_not_rank_the_share(pair: tuple[Converged, Converged]) -> Evidence:
    """Of two teachers, the one that a student's first step points at more closely can be the one it keeps less of.

    With one rate for all modes it cannot: the squared cosine is then the share.
    """
    closer, other = pair
    exact = []
    for one, cosine, share in ((closer, 4 / 5, 16 / 25), (other, 3 / 5, 1.0)):
        exact += [1 - abs(one.cosine - cosine) / one.cosine_rounding, 1 - abs(one.kept - share) / one.rounding]
    off = closer.rounding + other.rounding + closer.cosine_rounding + other.cosine_rounding
    ahead, behind = closer.cosine - other.cosine, other.kept - closer.kept
    margin = float(np.min([*exact, ahead - off, behind - off]))
    return Evidence(float(behind[-1]), 1 - 16 / 25, margin, eps=float(closer.eps[-1]))
