"""A teacher that has converged, rather than taken one gradient step, can have a student whose step raises its loss.

Statement. Let L_T = ½(θ − θ*)ᵀH(θ − θ*) and Δ = θ* − θ0 = −H⁻¹∇L_T(θ0), the way to the minimum. Then

    L_T(θ0 + αΔθ_S) − L_T(θ0) = −αε ΔᵀHGΔ + O(ε²),   D(ε) = ε ΔᵀGΔ + O(ε²).

For f = θ1 + θ2, squared error, H = diag(10, 1), θ0 = 0 and Δ = (1, −2): ΔᵀGΔ = 2 and −ΔᵀHGΔ = 16. The student aligns
with its teacher, D = 2ε, and raises the teacher's loss by 16αε + 22α²ε² > 0, for every ε and α > 0.

Assumptions. None but those of the Gauss-Newton form; L_T may be as smooth and convex as one likes.

Proof. ∇L_T(θ0) = −HΔ, and Δθ_S = εGΔ + O(ε²). The form of HG need not be positive, because H and G need not commute;
where they do, ΔᵀHGΔ = Σ h_i g_i d_i² ≥ 0 in a common eigenbasis. In the example Δθ_S = −2ε(1, 1), which goes up in the
stiff direction. One gradient step instead, Δ = −∇L_T(θ0) = (10, −2), gives q = 128 and the theorem's −128αε.

Source. Counterexample to reading arXiv 2507.14805, App. C, Theorem 1, beyond one gradient step.
"""

from sympy import Matrix, diag, diff, symbols

from subtheory.proof import equal, negative, nonnegative, positive, step

CLAIMS = ("converged-teacher-can-raise-the-trait-loss",)
USES = ("gauss_newton_form",)
COQ = ("Counterexamples.converged_teacher",)
SCOPE = "the rate for k = 1..3 parameters by sympy; the example in exact rationals"
NOT_COVERED = "how often it happens: for the networks in use that is a matter of measurement"

EPS, ALPHA = symbols("eps alpha", positive=True)
H, DELTA, J = diag(10, 1), Matrix([1, -2]), Matrix([[1, 1]])


def _bowl(theta, curvature, minimum):
    return (theta - minimum).dot(curvature * (theta - minimum)) / 2


def _symmetric(name, k):
    return Matrix(k, k, lambda i, j: symbols(f"{name}{min(i, j)}{max(i, j)}"))


def _student(Delta):
    """Δθ_S at θ0 = 0 for f = Jθ and squared error, from the teacher at εΔ."""
    theta, y = Matrix(symbols("theta:2")), symbols("y")
    loss = Matrix([((J * theta)[0] - y) ** 2])
    return -loss.jacobian(theta).T.subs(dict.fromkeys(theta, 0)).subs(y, EPS * (J * Delta)[0])


@step
def rate():
    """d/dε L_T(θ0 + αεGΔ) = −α ΔᵀHGΔ at ε = 0 for symmetric H and G, θ* = θ0 + Δ, and ∇L_T(θ0) = −HΔ."""
    for k in range(1, 4):
        theta, theta0, Delta = (Matrix(symbols(f"{name}:{k}")) for name in ("theta", "theta0_", "Delta"))
        curvature, G = _symmetric("H", k), _symmetric("G", k)
        L_T = Matrix([_bowl(theta, curvature, theta0 + Delta)])
        start = dict(zip(theta, theta0, strict=True))
        equal(L_T.jacobian(theta).T.subs(start), -curvature * Delta)
        moved = _bowl(theta0 + ALPHA * EPS * G * Delta, curvature, theta0 + Delta)
        equal(diff(moved, EPS).subs(EPS, 0), -ALPHA * Delta.dot(curvature * G * Delta))


@step
def example():
    """D = 2ε and L_T(αΔθ_S) − L_T(0) = 16αε + 22α²ε²."""
    student = _student(DELTA)
    rise = _bowl(ALPHA * student, H, DELTA) - _bowl(0 * DELTA, H, DELTA)
    equal([student.dot(DELTA), rise], [2 * EPS, 16 * ALPHA * EPS + 22 * ALPHA**2 * EPS**2])
    positive(rise.expand())


@step
def one_gradient_step_instead():
    """Δ = −∇L_T(0) = HΔ*: D = 128ε, and L_T changes by −128αε to first order."""
    Delta = H * DELTA
    student = _student(Delta)
    equal([*Delta, student.dot(Delta)], [10, -2, 128 * EPS])
    slope = diff(_bowl(ALPHA * student, H, DELTA), EPS).subs(EPS, 0)
    equal(slope, -128 * ALPHA)
    negative(slope)


@step
def commuting_curvatures():
    """H and G diagonal in one basis: ΔᵀHGΔ = Σ h_i g_i d_i² ≥ 0."""
    for k in range(1, 5):
        h, g = (symbols(f"{name}:{k}", nonnegative=True) for name in "hg")
        d = Matrix(symbols(f"d:{k}", real=True))
        form = d.dot(diag(*h) * diag(*g) * d)
        equal(form, sum(h[i] * g[i] * d[i] ** 2 for i in range(k)))
        nonnegative(form)
