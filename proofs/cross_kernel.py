"""With two inits the trait part of the alignment is a cross-kernel, and the loss decides at which init M is taken.

Statement. Let the teacher start at θ_T and the student at θ_S, u_T = J_TΔ and u_S = J_SΔ. Then D(ε) = D(0) + o(1), and

    [D(ε) − D(0)]/ε → E[u_Sᵀ M u_T],   M = −∂_z∂_y l at (z, y) = (f_S, f_T).

M = 2 diag(w) for squared error; diag(p) − ppᵀ at the teacher's init, p = softmax(f_T), for forward KL, and at the
student's init, p = softmax(f_S), for reverse KL. The limit has any sign. The raw step, though, leads to the teacher:
Δθ_S · (θ_T + εΔ − θ_S) ≥ 0 for squared error if one Jacobian serves both inits.

Assumptions. f differentiable at both inits, l twice; one full gradient step.

Proof. D(ε) = −E[∂_z l(f_S, f(θ_T + εΔ)) · u_S]; differentiate in ε. Forward KL has ∂_z l = softmax(z) − softmax(y), so
M = ∂softmax(y)/∂y; reverse KL has ∂_y l = softmax(y) − softmax(z), so M = ∂softmax(z)/∂z. With f = Jθ the step is
2JᵀWJ(θ_T + εΔ − θ_S), and its product with the bracket is a sum of squares.

Source. Derived here; the cross-model figures of arXiv 2507.14805.
"""

from sympy import Function, Matrix, Symbol, diag, diff, exp, log, symbols

from subtheory.proof import equal, nonnegative, step

CLAIMS = ("cross-kernel-is-the-trait-part", "kl-order-chooses-the-init-of-m", "raw-step-approaches-the-teacher")
PLANNED = ()
USES = ("alignment_identity",)
COQ = ()
SCOPE = "n = 1..3 outputs, 2 and 3 for KL, labels to first order in ε; the prose holds for all n"
NOT_COVERED = "how large the cross-kernel is for two independent inits, which is a question of width"


def _softmax(z):
    """exp(z)/Σ exp(z)."""
    return [exp(each) / sum(map(exp, z)) for each in z]


def _log_softmax(z):
    """z − log Σ exp(z)."""
    return [each - log(sum(map(exp, z))) for each in z]


def _divergence(y, z):
    """KL(softmax(y) ‖ softmax(z))."""
    return sum(p * (a - b) for p, a, b in zip(_softmax(y), _log_softmax(y), _log_softmax(z), strict=True))


def _covariance(z):
    """diag(p) − ppᵀ with p = softmax(z)."""
    p = Matrix(_softmax(z))
    return diag(*p) - p * p.T


def _alignment(loss, S, T, u_S, u_T, eps):
    """−∂_z l(f_S, f_T + εu_T) · u_S, exact in the labels up to O(ε²)."""
    z = symbols(f"z:{len(S)}", real=True)
    y = [each + eps * slope for each, slope in zip(T, u_T, strict=True)]
    at = dict(zip(z, S, strict=True))
    return -sum(diff(loss(z, y), each).subs(at) * slope for each, slope in zip(z, u_S, strict=True))


@step
def cross_kernel():
    """D′(0) = u_Sᵀ M u_T for l = Σ w (z − y)² with M = 2 diag(w), and for l = a(z) − zᵀMy with any matrix M."""
    eps, a = Symbol("epsilon", real=True), Function("a")
    for n in range(1, 4):
        S, T, u_S, u_T, w = (symbols(f"{name}:{n}", real=True) for name in "STstw")
        X = Matrix(n, n, symbols(f"M:{n * n}", real=True))
        cases = (
            (lambda z, y, w=w: sum(i * (one - two) ** 2 for i, one, two in zip(w, z, y, strict=True)), 2 * diag(*w)),
            (lambda z, y, X=X: a(*z) - Matrix(z).dot(X * Matrix(y)), X),
        )
        for loss, M in cases:
            D = _alignment(loss, S, T, u_S, u_T, eps)
            equal(diff(D, eps).subs(eps, 0), Matrix(u_S).dot(M * Matrix(u_T)))


@step
def divergences():
    """−∂_z∂_y l is the covariance at y for KL(y ‖ z), and that at z for KL(z ‖ y)."""
    for n in range(2, 4):
        z, y = symbols(f"z:{n}", real=True), symbols(f"y:{n}", real=True)
        for loss, p in (_divergence(y, z), y), (_divergence(z, y), z):
            # The outputs are alike, so the first row stands for all.
            equal([-diff(loss, z[0], other) for other in y], list(_covariance(p)[0, :]))


@step
def any_sign():
    """f = θ0θ1 with Δ = (1, 0): u_T = 1 at (0, 1), u_S = −1 at (0, −1), and D′(0) = −2; D(0) = 0 as outputs agree."""
    eps, a, b = symbols("epsilon a b", real=True)
    u = diff(a * b, a)
    u_T, u_S = u.subs(b, 1), u.subs(b, -1)
    equal(_alignment(lambda z, y: (z[0] - y[0]) ** 2, [0], [0], [u_S], [u_T], eps), -2 * eps)


@step
def two_alignments():
    """f = Jθ, g = θ_T + εΔ − θ_S: Δθ_S · g = 2 Σ w (Jg)² ≥ 0, while Δθ_S · Δ = 2 Σ w (Jg)(JΔ) has any sign."""
    for n in range(1, 4):
        J, gap = Matrix(2, n, symbols(f"J:{2 * n}", real=True)), Matrix(symbols(f"g:{n}", real=True))
        w, d = symbols("w:2", nonnegative=True), Matrix(symbols(f"d:{n}", real=True))
        loss = sum(each * miss**2 for each, miss in zip(w, J * (d - gap), strict=True))
        moved = Matrix([-diff(loss, name) for name in d]).subs(dict.fromkeys(d, 0))
        form = sum(2 * each * miss**2 for each, miss in zip(w, J * gap, strict=True))
        equal(moved.dot(gap), form)
        Delta = Matrix(symbols(f"D:{n}", real=True))
        equal(moved.dot(Delta), sum(2 * i * a * b for i, a, b in zip(w, J * gap, J * Delta, strict=True)))
        nonnegative(form)


@step
def one_jacobian_is_needed():
    """f = θ², θ_S = −1 and the teacher at 2: the step −12 leads away, −12 · 3 = −36."""
    theta = Symbol("theta", real=True)
    moved = -diff((theta**2 - 2**2) ** 2, theta).subs(theta, -1)
    equal(moved, -12)
    equal(moved * (2 - (-1)), -36)
