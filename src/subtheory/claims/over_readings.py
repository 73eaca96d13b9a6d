"""What the theorem does not say: statements that are easily read into it, all false, for `falsify` to find so."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from subtheory.claim import FALSE, Evidence, claim
from subtheory.envelope import fine
from subtheory.instruments.first_order import Measurement
from subtheory.setting.setting import Setting
from subtheory.setting.teachers import Ruled
from subtheory.theory.losses import SquaredError
from subtheory.theory.rule import DrawnMetric, Signs

SQUARED = (SquaredError(),)
"""The one loss of the searches below: one is enough to refute."""

SMALL = ("linear", "tanh-3")
"""Shapes in which most of them are refuted."""

METRICS = DrawnMetric(0), DrawnMetric(1)
"""Of a teacher and of another student."""


def _worst(value: np.ndarray, noise: np.ndarray, unit: np.ndarray) -> Evidence:
    """A sign: the claim fails where value < −noise; value/unit at the worst judged rung that is not rounding."""
    value, noise, unit = fine(value), fine(noise), fine(unit)
    clear = (np.abs(value) > noise) & (unit > 0)
    if not clear.any():
        return Evidence(0.0, 0.0, 1.0, "all numbers sit at rounding level")
    ratio = value[clear] / unit[clear]
    worst = float(np.min(ratio))
    return Evidence(worst, 0.0, worst)


def _aligns(m: Measurement) -> Evidence:
    """D(ε) ≥ 0, in units of ‖Δθ_S‖‖Δ‖: a cosine."""
    return _worst(m.alignment, m.alignment_rounding, m.update_norm * m.delta_norm)


# Losses --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DeadZones:
    """l(z, y) = Σ_j c_j (|m_j·(z − y)| − δ_j)₊^{k_j}, c > 0, δ ≥ 0, k ≥ 2, and outputs that move by aε + bε².

    All integers. Convex by construction: (|s| − δ)₊ is convex in s and not negative, a power k ≥ 1 of such
    a function is convex, and so are linear arguments and positive sums.
    """

    velocity: tuple[int, ...]
    acceleration: tuple[int, ...]
    terms: tuple[tuple[int, tuple[int, ...], int, int], ...]
    """(c, m, δ, k) each."""

    def __post_init__(self) -> None:
        terms = tuple((int(c), tuple(map(int, m)), int(d), int(k)) for c, m, d, k in self.terms)
        object.__setattr__(self, "velocity", tuple(map(int, self.velocity)))
        object.__setattr__(self, "acceleration", tuple(map(int, self.acceleration)))
        object.__setattr__(self, "terms", terms)
        sizes = {len(self.acceleration), *(len(m) for _, m, _, _ in terms)}
        if sizes - {len(self.velocity)} or any(c < 1 or d < 0 or k < 2 for c, _, d, k in terms):
            raise ValueError("needs vectors of one length, c ≥ 1, δ ≥ 0 and k ≥ 2")

    def _along(self, m: tuple[int, ...]) -> tuple[int, int]:
        dot = lambda v: sum(x * y for x, y in zip(m, v, strict=True))  # noqa: E731
        return dot(self.velocity), dot(self.acceleration)

    def alignment(self, eps: Fraction) -> Fraction:
        """D(ε) = −∂_z l(z0, z0 + aε + bε²) · a, exactly."""
        total = Fraction(0)
        for c, m, dead, k in self.terms:
            a, b = self._along(m)
            s = a * eps + b * eps**2
            total += c * k * max(abs(s) - dead, Fraction(0)) ** (k - 1) * ((s > 0) - (s < 0)) * a
        return total

    def quadratic_form(self) -> int:
        """q = aᵀMa with M the Hessian at the match, to which only squares without a dead zone contribute."""
        return sum(2 * c * self._along(m)[0] ** 2 for c, m, dead, k in self.terms if dead == 0 and k == 2)

    def zero_until(self) -> Fraction | None:
        """ε0 with D = 0 on (0, ε0], by |m·(aε + bε²)| ≤ δ there; None if some term starts at once."""
        ends = [Fraction(1)]
        for _, m, dead, _ in self.terms:
            a, b = self._along(m)
            if a == 0:
                continue  # this term pulls on nothing
            if dead == 0:
                return None
            ends.append(Fraction(dead, abs(a) + abs(b)))
        return min(ends)

    def first_seen(self) -> Fraction | None:
        """A rational ε at which D is not 0."""
        tried = (Fraction(n, d) for n in range(1, 17) for d in (1, 2, 3))
        return next((eps for eps in tried if self.alignment(eps) != 0), None)

    def stated(self) -> dict[str, str]:
        """What refutes the dichotomy, as rationals."""
        until, seen = self.zero_until(), self.first_seen()
        shown = {"q": str(self.quadratic_form()), "D is 0 for 0 < eps <=": str(until)}
        return shown | ({f"D({seen})": str(self.alignment(seen))} if seen is not None else {})


def _dead_zones() -> Any:
    from hypothesis import strategies as st

    def of(width: int) -> Any:
        vector = st.tuples(*[st.integers(-3, 3)] * width)
        term = st.tuples(st.integers(1, 3), vector, st.integers(0, 3), st.integers(2, 4))
        return st.builds(DeadZones, vector, vector, st.lists(term, min_size=1, max_size=3).map(tuple))

    return st.integers(1, 2).flatmap(of)


@claim(
    formula="D(ε) = 0 for every ε, or D(ε) > 0 for all small ε > 0",
    source="arXiv 2507.14805, App. C, Theorem 1, read for every convex imitation loss",
    cases=_dead_zones,
    every_eps=True,
    exact=DeadZones,
    proof=FALSE,
)
def dichotomy_for_every_convex_loss(case: DeadZones) -> Evidence:
    """False: for every convex imitation loss the alignment is zero for every ε, or positive for all small ones.

    A convex loss may be blind to what lies near the match, and see it further away. Decided in rationals:
    D is zero on a whole interval (0, ε0] and yet not everywhere.
    """
    until, seen = case.zero_until(), case.first_seen()
    if until is None or seen is None:  # a term that starts at once pulls with the sign of (m·a)² > 0
        return Evidence(float(case.quadratic_form()), 0.0, 1.0)
    return Evidence(float(case.alignment(seen)), 0.0, -1.0)


# Students and teachers -----------------------------------------------------------------------------


def _drawn(shapes: tuple[str, ...], teachers: tuple[str, ...], outputs: tuple[Any, ...] = ("aux", "all", (0,)),
           change: Any = lambda setting: setting, **how: Any) -> list[Any]:  # fmt: skip
    """One strategy a shape: settings of squared error with these teachers and outputs, changed."""
    from hypothesis import strategies as st

    from subtheory.cases import strategies

    found = []
    for shape in shapes:
        several = [change(s) for s in strategies.combinations([shape], SQUARED, teachers, outputs)]
        draw = st.sampled_from(several).flatmap(lambda s: strategies.cases(s, **how))
        found.append(draw)
    return found


@claim(
    formula="D(ε) ≥ 0 for Δθ_S = −sign ∇L_S and all small ε > 0",
    source="arXiv 2507.14805, App. C, Lemma 1, read for Adam's first step",
    cases=lambda: _drawn(SMALL, ("random", "gradient-descent"), change=lambda s: s.but(rule=Signs())),
    proof=FALSE,
)
def sign_steps_align(m: Measurement) -> Evidence:
    """False: a student whose first step is Adam's, the sign of its gradient, moves towards its teacher."""
    return _aligns(m)


def _lowers(m: Measurement) -> Evidence:
    """L_T falls, in units of αεq."""
    rate = np.abs(m.alpha * m.eps * m.leading)
    return _worst(-m.trait_change, np.full_like(m.eps, m.trait_rounding), rate)


@claim(
    formula="L_T(θ0 + αΔθ_S) < L_T(θ0) for Δ = −C∇L_T, Δθ_S = −C′∇L_S, C, C′ ≻ 0 and all small ε > 0",
    source="arXiv 2507.14805, App. C, Theorem 1, read for preconditioned descent",
    cases=lambda: _drawn(
        SMALL, ("random",), change=lambda s: s.but(teacher=Ruled(DrawnMetric(0)), rule=DrawnMetric(1))
    ),
    proof=FALSE,
)
def any_preconditioners_lower_the_trait_loss(m: Measurement) -> Evidence:
    """False: teacher and student may each descend in a metric of their own, and the trait loss falls."""
    return _lowers(m)


@claim(
    formula="L_T(θ0 + αΔθ_S) < L_T(θ0) for Δ = −sign ∇L_T, Δθ_S = −∇L_S and all small ε > 0",
    source="arXiv 2507.14805, App. C, Theorem 1, read for a teacher that took Adam's first step",
    cases=lambda: _drawn(SMALL, ("random",), change=lambda s: s.but(teacher=Ruled(Signs()))),
    proof=FALSE,
)
def sign_teachers_lower_the_trait_loss(m: Measurement) -> Evidence:
    """False: the student of a teacher that took the sign of its gradient lowers the teacher's loss."""
    return _lowers(m)


def _bowls() -> list[Any]:
    """Converged teachers: any Δ that ends at the bottom of L_T = ½Σ h_i(θ_i − b_i)², with h from 1 to 100."""
    from hypothesis import strategies as st

    from subtheory.cases import strategies
    from subtheory.theory.trait import Bowl

    def of(setting: Setting) -> Any:
        layout = strategies.layout_of(setting.network)

        def bowl(powers: list[int]) -> Bowl:
            return Bowl(layout.unflatten(10.0 ** np.asarray(powers)), layout.unflatten(np.zeros(layout.size)))

        powers = st.lists(st.integers(0, 2), min_size=layout.size, max_size=layout.size)
        return powers.flatmap(lambda p: strategies.cases(setting, trait=bowl(p)))

    return [
        st.sampled_from(list(strategies.combinations([s], SQUARED, ("random",), ("aux", "all")))).flatmap(of)
        for s in SMALL
    ]


@claim(
    formula="L_T(θ0 + αΔθ_S) < L_T(θ0) for all small ε > 0, with θ0 + Δ a minimum of L_T",
    source="arXiv 2507.14805, App. C, Theorem 1, read for a teacher that was trained to convergence",
    cases=_bowls,
    proof=FALSE,
)
def converged_teachers_lower_the_trait_loss(m: Measurement) -> Evidence:
    """False: the student of a teacher that has reached the minimum of its trait loss lowers that loss."""
    return _lowers(m)


# Inits and networks --------------------------------------------------------------------------------


@claim(
    formula="D(ε) ≥ 0 for θ0_S a positive rescaling of the hidden units of θ0, f_{θ0_S} = f_{θ0}",
    source="arXiv 2507.14805, App. C, Lemma 1, read for students that compute the same function",
    cases=lambda: _drawn(("relu-3",), ("random", "gradient-descent"), rescaled=True),
    proof=FALSE,
)
def rescaled_relu_inits_align(m: Measurement) -> Evidence:
    """False: a ReLU student that starts as the same function as its teacher moves towards it.

    Rescaling a unit's inputs by s > 0 and its outputs by 1/s leaves the function, but not the metric.
    """
    return _aligns(m)


@claim(
    formula="D(ε) ≥ 0 for every ReLU network and all small ε > 0",
    source="arXiv 2507.14805, App. C, Lemma 1, read without differentiability",
    cases=lambda: _drawn(("relu-3", "relu-3-3"), ("random",), kinks=True),
    proof=FALSE,
)
def every_relu_network_aligns(m: Measurement) -> Evidence:
    """False: every ReLU network's student moves towards its teacher, wherever its inputs lie.

    An input that sits on a kink is given the derivative of one side, and the teacher may take the other.
    """
    return _aligns(m)
