"""A student whose steps lose their part along Δ never moves along Δ, and its imitation loss falls all the same.

Statement. With P = 1 − ΔΔᵀ/‖Δ‖² and steps αPG(Δ − d) from d_0 = 0, the first order in ε of descent on the teacher's
labels without its part along Δ,

    d_t · Δ = 0 for all t,   Q(t) = (Δ − d_t)ᵀG(Δ − d_t) does not grow for α ≤ 1/λmax.

If Δ has a part h ≠ 0 in null(G) then d = Δ − h‖Δ‖²/‖h‖² is at a right angle to Δ and Q = 0 there: such a student can
learn the labels altogether. If not, Q ≥ ‖Δ‖⁴/ΔᵀG⁺Δ for all d at a right angle to Δ, with equality for
Δ − d = G⁺Δ ‖Δ‖²/ΔᵀG⁺Δ.

Assumptions. Shared initialisation, f differentiable near θ0, fixed t and α.

Proof. Each step is in the range of P, which is at a right angle to Δ. Q is convex with Hessian 2G, and αPG(Δ − d) is
half of αP times its negative gradient, a step of projected descent: with g = G(Δ − d), Q falls by
2α gᵀPg − α²(Pg)ᵀG(Pg) ≥ α(2 − αλmax)‖Pg‖². Last, (e·Δ)² ≤ eᵀGe ΔᵀG⁺Δ for Δ in the range of G (Cauchy and Schwarz),
with e = Δ − d and e·Δ = ‖Δ‖².

Source. Derived here; arXiv 2604.25779 removes the part along the gradient of the trait loss.
"""

from sympy import Matrix, Symbol, diag, eye, symbols

from subtheory.proof import equal, nonnegative, step

CLAIMS = ("steps-without-their-part-along-the-teacher-carry-nothing",)
USES = ("many_steps",)
COQ = ()
SCOPE = "2 and 3 parameters in letters, one step from anywhere; the prose holds for all"
NOT_COVERED = "what the projection leaves at second order in ε, and a student that removes the trait's gradient instead"


def _letters(name, rows, columns):
    """A matrix of letters."""
    return Matrix(rows, columns, symbols(f"{name}:{rows * columns}", real=True))


def _removed(size):
    """Δ, P = 1 − ΔΔᵀ/‖Δ‖², a symmetric G and a place d, of letters."""
    Delta, G, d = _letters("Delta", size, 1), _letters("G", size, size), _letters("d", size, 1)
    return Delta, eye(size) - Delta * Delta.T / Delta.dot(Delta), (G + G.T) / 2, d


@step
def no_step_along_delta():
    """Δ · PG(Δ − d) = 0 for any d."""
    for size in (2, 3):
        Delta, P, G, d = _removed(size)
        equal(Delta.dot(P * G * (Delta - d)), 0)


@step
def the_loss_falls():
    """Q(d + αPg) − Q(d) = −2α‖Pg‖² + α²(Pg)ᵀG(Pg), g = G(Δ − d)."""
    alpha = Symbol("alpha", real=True)
    Delta, P, G, d = _removed(2)
    g = G * (Delta - d)

    def form(at):
        return ((Delta - at).T * G * (Delta - at))[0]

    Pg = P * g
    equal(form(d + alpha * Pg) - form(d), alpha**2 * (Pg.T * G * Pg)[0] - 2 * alpha * Pg.dot(Pg))


@step
def in_the_coordinates_of_the_spectrum():
    """With G = diag(λ), Δ = c and a = Δ − d: a − αPGa is a − αλa + αc(Σ cλa)/‖Δ‖², mode by mode."""
    alpha = Symbol("alpha", real=True)
    c, a, values = _letters("c", 3, 1), _letters("a", 3, 1), symbols("lambda:3", nonnegative=True)
    G = diag(*values)
    P = eye(3) - c * c.T / c.dot(c)
    pulled = sum(ci * value * ai for ci, value, ai in zip(c, values, a, strict=True))
    expected = a - alpha * G * a + alpha * pulled / c.dot(c) * c
    equal(list(a - alpha * P * G * a), list(expected))


@step
def hidden_parts_set_it_free():
    """Δ = (c, h), G = diag(λ, 0): d = Δ − (0, ‖Δ‖²/h) is at a right angle to Δ, and its Q is 0."""
    c, h, value = symbols("c h lambda", positive=True)
    Delta, G = Matrix([c, h]), diag(value, 0)
    e = Matrix([0, (c**2 + h**2) / h])
    equal((Delta - e).dot(Delta), 0)
    equal((e.T * G * e)[0], 0)


@step
def the_floor():
    """G = diag(λ, μ): least Q on e · Δ = ‖Δ‖² is ‖Δ‖⁴/ΔᵀG⁻¹Δ, at e along G⁻¹Δ; the rest is a square."""
    value, other = symbols("lambda mu", positive=True)
    c, e = _letters("c", 2, 1), _letters("e", 2, 1)
    G = diag(value, other)
    gap = (e.T * G * e)[0] * (c.T * G.inv() * c)[0] - e.dot(c) ** 2
    square = (value * e[0] * c[1] - other * e[1] * c[0]) ** 2 / (value * other)
    equal(gap, square)
    nonnegative(square)
    best = G.inv() * c * c.dot(c) / (c.T * G.inv() * c)[0]
    equal(best.dot(c), c.dot(c))
    equal((best.T * G * best)[0], c.dot(c) ** 2 / (c.T * G.inv() * c)[0])
