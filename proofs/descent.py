"""How long the student's step may be: the trait loss falls for α < 2D/(β‖Δθ_S‖²).

Statement. Let Δ = −∇L_T(θ0) and let ∇L_T be β-Lipschitz along the student's step. Then

    L_T(θ0 + αΔθ_S) − L_T(θ0) ≤ −αD(ε) + ½βα²‖Δθ_S‖²,

with equality for a quadratic L_T of curvature β in that direction, so that the loss falls for
0 < α < 2D/(β‖Δθ_S‖²). For Δθ_S = εGΔ that is 2q/(βε‖GΔ‖²): the boundary is αε = const, and twice the curvature
halves it.

Assumptions. L_T differentiable along the segment from θ0 to θ0 + αΔθ_S, |⟨∇L_T(θ0 + ts) − ∇L_T(θ0), s⟩| ≤ βt‖s‖² there.

Proof. With s = αΔθ_S and ψ(t) = L_T(θ0 + ts), ψ(1) − ψ(0) = ψ′(0) + ∫₀¹ (ψ′(t) − ψ′(0)) dt, where
ψ′(0) = α⟨∇L_T, Δθ_S⟩ = −αD, and the integral is at most ∫₀¹ βt‖s‖² dt = ½β‖s‖². For a quadratic
ψ′(t) − ψ′(0) = t sᵀHs. The bound is α times −D + ½αβ‖Δθ_S‖², which is negative exactly below the stated step. A loss
with the same slope and curvature at θ0, and a quartic wall, goes up before it.

Source. The descent lemma; arXiv 2507.14805, App. C, Theorem 1, where "sufficiently small" has no constant.
"""

from sympy import Function, Matrix, Rational, diff, integrate, symbols

from subtheory.proof import entails, equal, step
from subtheory.proof.smt import z3

CLAIMS = ("trait-loss-falls-below-its-step",)
COQ = (
    "Descent.descent",
    "Descent.step_threshold",
)
SCOPE = "undefined L_T on the segment, quadratics of k = 1..3 parameters by sympy; every k in Coq"
NOT_COVERED = "how β is found: for a network it is estimated on a grid"


def _vector(name, k):
    return Matrix(symbols(f"{name}:{k}"))


@step
def integral():
    """ψ(1) − ψ(0) − ψ′(0) = ∫₀¹ (ψ′(t) − ψ′(0)) dt for undefined ψ, and ∫₀¹ βtV dt = ½βV."""
    t, beta, V, psi = *symbols("t beta V"), Function("psi")
    slope = diff(psi(t), t)
    under = psi(t) - t * slope.subs(t, 0)
    equal(diff(under, t), slope - slope.subs(t, 0))
    equal(under.subs(t, 1) - under.subs(t, 0), psi(1) - psi(0) - slope.subs(t, 0))
    equal(integrate(beta * t * V, (t, 0, 1)), beta / 2 * V)


@step
def slope_is_the_alignment():
    """d/dt L_T(θ0 + tαΔθ_S) at t = 0 is −αD for undefined L_T with Δ = −∇L_T(θ0), D = ⟨Δθ_S, Δ⟩."""
    t, alpha, L_T = *symbols("t alpha"), Function("L_T")
    for k in range(1, 4):
        theta0, Delta, student = (_vector(name, k) for name in ("theta", "Delta", "v"))
        slope = diff(L_T(*(theta0 + t * alpha * student)), t).subs(t, 0).doit()
        gradient = Matrix([L_T(*theta0)]).jacobian(theta0)
        equal(slope.subs(dict(zip(gradient, -Delta, strict=True))), -alpha * student.dot(Delta))


@step
def equality_for_quadratics():
    """L_T = −⟨Δ, θ⟩ + ½β‖θ‖² (θ0 = 0): ΔL_T = −αD + ½βα²‖Δθ_S‖², which is 0 at α = 2D/(β‖Δθ_S‖²)."""
    alpha, beta = symbols("alpha beta")
    for k in range(1, 4):
        Delta, v = _vector("Delta", k), _vector("v", k)
        theta, D = alpha * v, v.dot(Delta)
        change = -Delta.dot(theta) + beta / 2 * theta.dot(theta)
        equal(change, -alpha * D + beta / 2 * alpha**2 * v.dot(v))
        equal(change.subs(alpha, 2 * D / (beta * v.dot(v))), 0)


@step
def below_the_step():
    """By z3: α > 0 and αβV < 2D give −αD + ½βα²V < 0, V = ‖Δθ_S‖², and both are needed."""
    alpha, beta, D, V = z3().Reals("alpha beta D V")
    entails([alpha > 0, alpha * beta * V < 2 * D], beta / 2 * alpha**2 * V < alpha * D)


@step
def small_steps_of_the_teacher():
    """D = εq and Δθ_S = εGΔ: 2D/(β‖Δθ_S‖²) = 2q/(βε‖GΔ‖²), with q = ⟨GΔ, Δ⟩."""
    beta, eps = symbols("beta eps")
    for k in range(1, 4):
        GDelta, Delta = _vector("g", k), _vector("Delta", k)
        student, q = eps * GDelta, GDelta.dot(Delta)
        step_bound = 2 * student.dot(Delta) / (beta * student.dot(student))
        equal(step_bound, 2 * q / (beta * eps * GDelta.dot(GDelta)))


@step
def curvature_is_needed_on_the_whole_step():
    """ψ = −s + s² + s⁴ has slope −1 and curvature 2 at 0, and is 0.5661 at s = 9/10 < 2D/β = 1."""
    s = symbols("s")
    psi = -s + s**2 + s**4
    equal([diff(psi, s).subs(s, 0), diff(psi, s, 2).subs(s, 0)], [-1, 2])
    equal(psi.subs(s, Rational(9, 10)), Rational(5661, 10000))
