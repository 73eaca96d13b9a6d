"""Rounding is no filter: over many outputs it dithers, and it is silent only where no output crosses a boundary.

Statement. Let labels be the teacher's outputs rounded to multiples of h, R(z + εu) against the control's R(z). Under
squared error the added alignment of an output is 2wu[R(z + εu) − R(z)]. If z is uniform within its cell, given u,

    E[R(z + εu) − R(z)] = εu exactly, for every ε, so that added D = εq on average,

with the spread √(ε|u|(h − ε|u|)) of a label while ε|u| < h. For z of another density ρ the slope is hΣρ over the
boundaries in place of 1: 0 if no output comes near them, and of any size if all do. Where no output crosses a boundary
added D is 0 exactly, for every loss. Each crossing adds something positive, so that under squared error added D = 0
only there. With uniform and independent phases nothing crosses with probability Π(1 − ε|u|/h) ≥ 1 − εΣ|u|/h.

Assumptions. Shared initialisation, logits linear in ε, w > 0; the same inputs for student and control.

Proof. In units of h a cell is an interval of length 1 and R a floor. With εu = k + f, k whole and 0 ≤ f < 1, the floor
of phase plus εu is k below the phase 1 − f and k + 1 above it. A floor never falls, so a crossing has the sign of u. A
share εuρ of the outputs is within εu below a boundary. Of the product one more factor 1 − a takes away at most a.

Source. Derived here; the raw alignment keeps the part R(z) − z of order 0 that the control takes away.
"""

from sympy import Function, Integral, Symbol, diff, integrate, solve, symbols

from subtheory.proof import entails, equal, positive, step
from subtheory.proof.smt import z3

CLAIMS = ("rounding-dithers-over-many-outputs", "rounding-below-every-boundary-carries-nothing")
COQ = ()
SCOPE = "every phase, shift and number of cells by z3 and sympy; 1..4 outputs for the sum; the prose holds for all"
NOT_COVERED = "rounded logits under cross-entropy, beyond silence where nothing crosses, and rounded weights"


def _moments(k, f):
    """Mean and variance of floor(phase + k + f) for a phase uniform in [0, 1): k below 1 − f, k + 1 above."""
    phase = Symbol("phase")
    mean, square = (
        integrate(k**power, (phase, 0, 1 - f)) + integrate((k + 1) ** power, (phase, 1 - f, 1)) for power in (1, 2)
    )
    return mean, square - mean**2


@step
def two_values():
    """By z3: floor(phase + k + f) is k if the phase is below 1 − f, and k + 1 if not."""
    solver = z3()
    phase, f = solver.Reals("phase f")
    k = solver.Int("k")
    moved = solver.ToInt(phase + solver.ToReal(k) + f)
    entails([phase >= 0, f >= 0, phase < 1 - f], moved == k)
    entails([phase < 1, f < 1, phase >= 1 - f], moved == k + 1)


@step
def dithering():
    """The mean is k + f, the whole shift; the variance is f(1 − f), for a shift c = fh of one cell c(h − c)."""
    k, f, c, h = symbols("k f c h", real=True)
    mean, variance = _moments(k, f)
    equal([mean, variance], [k + f, f * (1 - f)])
    equal(h**2 * variance.subs(f, c / h), c * (h - c))


@step
def added_alignment():
    """Σ 2wu · E[R(z + εu) − R(z)] = ε Σ 2wu² = εq over n outputs, each with its own k and f."""
    h, eps = symbols("h epsilon", real=True)
    for n in range(1, 5):
        k, f, w = (symbols(f"{name}:{n}", real=True) for name in "kfw")
        u = [h * (whole + part) / eps for whole, part in zip(k, f, strict=True)]
        moved = [h * _moments(whole, part)[0] for whole, part in zip(k, f, strict=True)]
        q = sum(2 * weight * each**2 for weight, each in zip(w, u, strict=True))
        equal(sum(2 * weight * each * by for weight, each, by in zip(w, u, moved, strict=True)), eps * q)


@step
def any_density():
    """Over the shift c, h∫ρ from b − c to b has the slope hρ(b) at 0; h/(2r) if ρ is 1/(2r) around b, 1 if 1/h."""
    rho, z, b, c, h, r = Function("rho"), *symbols("z b c h r", real=True)
    for density, slope in (rho(z), h * rho(b)), (1 / (2 * r), h / (2 * r)), (1 / h, 1), (0, 0):
        crossing = h * Integral(density, (z, b - c, b))
        equal(crossing.subs(c, 0).doit(), 0)
        equal(diff(crossing, c).doit().subs(c, 0), slope)


@step
def crossings_align():
    """By z3: where floor(z + c) is not floor(z), it is above it for c > 0 and below it for c < 0."""
    solver = z3()
    z, c = solver.Reals("z c")
    before, after = solver.ToInt(z), solver.ToInt(z + c)
    entails([c > 0, after != before], after > before)
    entails([c < 0, after != before], after < before)


@step
def no_crossing():
    """By z3: floor(z + c) = floor(z) for 0 ≤ c up to the boundary above z, which belongs to the cell above."""
    solver = z3()
    z, c = solver.Reals("z c")
    whole = solver.ToInt(z)
    entails([c >= 0, z + c < whole + 1], solver.ToInt(z + c) == whole)
    entails([z + c >= whole + 1], solver.ToInt(z + c) > whole)


@step
def silence():
    """By z3: P ≥ 1 − S, P ≤ 1 and a ≥ 0 give P(1 − a) ≥ 1 − S − a: one output more, of crossing probability a."""
    P, S, a = z3().Reals("P S a")
    entails([P >= 1 - S, P <= 1, a >= 0], P * (1 - a) >= 1 - S - a)


@step
def outputs_needed():
    """The mean Nc stands d spreads of N outputs above 0 at N = d²(h − c)/c, about d²h/c."""
    N, c, d, g = symbols("N c d g", positive=True)
    h = c + g  # so that c < h
    variance = N * c * (h - c)
    (needed,) = solve((N * c) ** 2 - d**2 * variance, N)
    equal(needed, d**2 * (h - c) / c)
    positive(needed)
