"""For a small step of the teacher the alignment is ε times the Gauss-Newton form of its direction, hence positive.

Statement. Let u = J(x)Δ, M the Hessian of the loss at the match, G = E[JᵀMJ], q = ΔᵀGΔ = E[uᵀMu]. From a shared init

    D(ε) = εq + O(ε²),   Δθ_S = εGΔ + O(ε²),   cos(Δθ_S, Δ) = ΔᵀGΔ/(‖GΔ‖‖Δ‖) + O(ε),

and if q > 0, D(ε) > 0 for all small ε > 0. q = 2E Σ w_i u_i² for squared error, E Var_p(u) for cross-entropy.

Assumptions. θ0_S = θ0; outputs with bounded second derivative along the segment; l with a minimum at z = y for every
y, smooth near it; one plain gradient step. For the cosine, GΔ ≠ 0.

Proof. The outputs along the segment are φ(ε) = z + εu + ε²r(ε) with bounded r. By the alignment identity
D(ε) = −E⟨∂l/∂z(z, φ(ε)), u⟩, and by Hadamard's lemma −∂l/∂z_i(z, y) = Σ_j (y_j − z_j) h_ij(z, y), h(z, z) = M. So
D(ε)/ε = Σ u_i h_ij(z, φ(ε))(u_j + εr_j), whose value at ε = 0 is uᵀMu. The same with the rows of Jᵀ in place of u
gives Δθ_S/ε, at 0 E[JᵀM]u = GΔ; the factor ε > 0 drops out of the cosine. With |D − εq| ≤ Cε², D > 0 for ε < q/C.
At a loss that is largest at the match the sign is the opposite, and at ε beyond its threshold anything can happen.

Source. arXiv 2507.14805, App. C, Lemma 1. The Coq theorems on squared error are on half of it.
"""

from sympy import Function, Matrix, Symbol, diag, diff, exp, pi, sin, sqrt, symbols, zeros

from subtheory.proof import entails, equal, negative, step
from subtheory.proof.smt import z3

CLAIMS = ("alignment-is-ggn-form", "alignment-is-positive", "cosine-limit")
USES = ("alignment_identity", "match_hessian")
COQ = (
    "OneStep.alignment_slope",
    "OneStep.student_step_rderiv",
    "OneStep.lemma_one",
    "OneStep.path_dichotomy",
    "SmoothLoss.smooth_step_rderiv",
    "SmoothLoss.smooth_alignment",
    "Alternatives.mse_ggn_form",
    "Alternatives.wmse_ggn_form",
    "Alternatives.ce_ggn_form",
    "Alternatives.masked_ce_ggn_form",
)
SCOPE = "undefined paths, n = 1..5 outputs (n = 1..3 for any loss) by sympy; every n and any finite data in Coq"
NOT_COVERED = "the constant of O(ε²), for which see ce_bound; expectations over infinitely many inputs"

EPS = Symbol("eps", positive=True)


def _vector(name, n):
    return Matrix(symbols(f"{name}:{n}", real=True))


def _remainder(n):
    return Matrix([Function(f"r{i}")(EPS) for i in range(n)])


def _path(z, u):
    """φ(ε) = z + εu + ε²r(ε), r undefined."""
    return z + EPS * u + EPS**2 * _remainder(len(z))


def _at_zero(expression):
    return expression.subs(EPS, 0).doit()


@step
def squared_error():
    """−⟨∂l/∂z, u⟩ for l = Σ w_i (z_i − y_i)² at y = φ(ε): D = ε · 2 Σ w_i u_i² + ε² · 2 Σ w_i u_i r_i(ε)."""
    for n in range(1, 6):
        z, y, u, w = (_vector(name, n) for name in "zyuw")
        pull = -Matrix([(z - y).dot(diag(*w) * (z - y))]).jacobian(z)
        D = pull.dot(u).subs(dict(zip(y, _path(z, u), strict=True)))
        q, rest = ((2 * diag(*w) * u).dot(each) for each in (u, _remainder(n)))
        equal(D, EPS * q + EPS**2 * rest)


@step
def cross_entropy():
    """D = ⟨softmax(φ(ε)) − p, u⟩, p = softmax(z): D(0) = 0 and D′(0) = uᵀ(diag(p) − ppᵀ)u."""
    for n in range(1, 6):
        e, u = symbols(f"e:{n}"), _vector("u", n)  # e for the exponentials of z
        moved = diag(*e) * _path(zeros(n, 1), u).applyfunc(exp)
        p = Matrix(e) / sum(e)
        D = (moved / sum(moved) - p).dot(u)
        equal(_at_zero(D), 0)
        equal(_at_zero(diff(D, EPS)), (u.T * (diag(*p) - p * p.T) * u)[0])


@step
def any_loss():
    """Δθ_S = Jᵀh(z, φ(ε))(φ(ε) − z) for undefined h: 0 at ε = 0, with derivative GΔ = JᵀMJΔ, M = h(z, z)."""
    for n in range(1, 4):
        z, Delta = _vector("z", n), _vector("Delta", 2)
        J = Matrix(n, 2, symbols(f"J:{2 * n}"))
        y = _path(z, J * Delta)
        h, M = (Matrix(n, n, [Function(f"h{i}")(*at) for i in range(n * n)]) for at in (y, z))
        student = J.T * h * (y - z)
        equal(_at_zero(student), zeros(2, 1))
        equal(_at_zero(diff(student, EPS)), J.T * M * J * Delta)


def _cosine(a, b):
    return a.dot(b) / sqrt(a.dot(a).factor() * b.dot(b))


@step
def cosine():
    """cos(ε(GΔ + O(ε)), Δ) = cos(GΔ + O(ε), Δ) for ε > 0, which tends to ΔᵀGΔ/(‖GΔ‖‖Δ‖)."""
    for k in range(1, 4):
        GDelta, Delta = _vector("g", k), _vector("Delta", k)
        limit = GDelta.dot(Delta) / sqrt(GDelta.dot(GDelta) * Delta.dot(Delta))
        equal(_cosine(EPS * GDelta, Delta), limit)


@step
def positive_for_small_steps():
    """By z3: |D − εq| ≤ Cε² and 0 < ε, εC < q give D > 0, and no hypothesis can go."""
    D, q, C, eps = z3().Reals("D q C eps")
    entails([D >= eps * q - C * eps**2, eps > 0, C * eps < q], D > 0)


@step
def minimum_at_the_match_is_needed():
    """l = −(z − y)², largest at the match, f = θ, Δ = u: D = −2εu² < 0."""
    z, y, u = symbols("z y u", positive=True)
    D = -diff(-((z - y) ** 2), z).subs(y, z + EPS * u) * u
    equal(D, -2 * EPS * u**2)
    negative(D)


@step
def small_steps_are_needed():
    """f = sin(kθ) at 0, Δ = 1: D = 2k sin(kε), q = 2k², and at ε = 3π/(2k), D = −2k < 0."""
    k, theta, y = symbols("k theta y", positive=True)
    pull = -diff((sin(k * theta) - y) ** 2, theta).subs(theta, 0)
    D = pull.subs(y, sin(k * EPS))
    equal(D, 2 * k * sin(k * EPS))
    equal(_at_zero(diff(D, EPS)), 2 * k**2)
    negative(D.subs(EPS, 3 * pi / (2 * k)))
