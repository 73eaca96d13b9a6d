"""For a two-layer linear network the alignment is a quadratic in ε, and its threshold is exact.

Statement. Let f(x) = BAx, Δ = (ΔA, ΔB), u = ΔB·Ax + B·ΔAx and v = ΔB·ΔAx. For squared error l = Σ w_i (z_i − y_i)²

    D(ε) = ε E[uᵀMu] + ε² E[vᵀMu],   M = 2 diag(w),   for every ε.

With q = E[uᵀMu] > 0 and N = −E[vᵀMu], D > 0 for every ε > 0 if N ≤ 0, and exactly for ε < q/N if N > 0.
Taylor's threshold q / E[‖v‖‖u‖], norms taken in M, is never larger, and it is the exact one
if v is antiparallel to u on every input.

Assumptions. Shared initialisation (A, B), w ≥ 0, one full gradient step of the student.

Proof. (B + εΔB)(A + εΔA)x = f + εu + ε²v exactly, and D(ε) = E[2 Σ w_i (y_i − f_i) u_i]. So D(ε) = ε(q − εN).
By Cauchy and Schwarz −vᵀMu ≤ ‖v‖‖u‖ on each input, hence N is at most the mean of ‖v‖‖u‖; for v = −cu with
c ≥ 0 it is equal to it.

Source. Derived here; the convention of Coq's mse is half of l, so that D and q are halved there and q/N is not.
"""

from sympy import Matrix, Symbol, diff, solve, symbols

from subtheory.proof import entails, equal, nonnegative, positive, step
from subtheory.proof.smt import z3

CLAIMS = ()
PLANNED = ("two-layer-linear-alignment-is-quadratic", "two-layer-linear-threshold-is-exact")
USES = ("alignment_identity",)
COQ = (
    "Descent.two_layer_threshold",
    "Descent.quadratic_threshold",
)
SCOPE = "inputs, hidden units and outputs (2, 2, 2) and (3, 2, 2), every entry a letter; the prose holds for all sizes"
NOT_COVERED = "three and more linear layers, where D is a polynomial of higher degree"

SIZES = ((2, 2, 2), (3, 2, 2))


def _matrix(name, rows, columns):
    """A matrix of letters."""
    return Matrix(rows, columns, symbols(f"{name}:{rows * columns}", real=True))


def _form(w, a, b):
    """aᵀMb of squared error: M = 2 diag(w)."""
    return sum(2 * each * i * j for each, i, j in zip(w, a, b, strict=True))


def _network(inputs, hidden, outputs):
    """(A, B), (ΔA, ΔB), x and w in letters."""
    theta0 = _matrix("A", hidden, inputs), _matrix("B", outputs, hidden)
    Delta = _matrix("a", hidden, inputs), _matrix("b", outputs, hidden)
    return theta0, Delta, _matrix("x", inputs, 1), symbols(f"w:{outputs}", real=True)


@step
def teacher_is_a_quadratic_in_eps():
    """f_{θ0+εΔ}(x) = f + εu + ε²v, with u the derivative along Δ and nothing left over."""
    eps = Symbol("epsilon", real=True)
    for size in SIZES:
        (A, B), (dA, dB), x, _ = _network(*size)
        f = (B + eps * dB) * (A + eps * dA) * x
        u = dB * A * x + B * dA * x
        equal(f.expand(), (B * A * x + eps * u + eps**2 * dB * dA * x).expand())
        equal(diff(f, eps).subs(eps, 0).expand(), u.expand())


@step
def alignment():
    """−∇L_S · Δ = mᵀMu for labels f + m, by the gradient in every entry of A and B; m = εu + ε²v gives D(ε)."""
    for size in SIZES:
        (A, B), (dA, dB), x, w = _network(*size)
        y, m, z = _matrix("y", size[2], 1), _matrix("m", size[2], 1), B * A * x
        u = dB * A * x + B * dA * x
        loss = sum(each * miss**2 for each, miss in zip(w, z - y, strict=True))
        D = sum(-diff(loss, theta) * delta for theta, delta in zip([*A, *B], [*dA, *dB], strict=True))
        equal(D.subs(dict(zip(y, z + m, strict=True))).expand(), _form(w, m, u).expand())
    eps, (w, u, v) = Symbol("epsilon", real=True), (symbols(f"{name}:2", real=True) for name in "wuv")
    m = [eps * one + eps**2 * two for one, two in zip(u, v, strict=True)]
    equal(_form(w, m, u), eps * _form(w, u, u) + eps**2 * _form(w, v, u))


@step
def threshold_is_exact():
    """D(ε) = ε(q − εN) has one root besides 0, ε = q/N, and is positive at every q/(N(1 + t)) with t > 0."""
    q, N, t, eps = symbols("q N t epsilon", positive=True)
    D = eps * q - eps**2 * N
    equal(solve(D, eps), [q / N])
    below = q**2 * t / (N * (1 + t) ** 2)
    equal(D.subs(eps, q / (N * (1 + t))), below)
    positive(below)


@step
def taylor_is_never_larger():
    """‖u‖²‖v‖² − (vᵀMu)² is a sum of squares, so the mean of ‖v‖‖u‖ is at least N; n = 1..4."""
    for n in range(1, 5):
        w = symbols(f"w:{n}", positive=True)
        u, v = symbols(f"u:{n}", real=True), symbols(f"v:{n}", real=True)
        squares = sum(4 * w[i] * w[j] * (u[i] * v[j] - u[j] * v[i]) ** 2 for i in range(n) for j in range(n) if i < j)
        equal(_form(w, u, u) * _form(w, v, v) - _form(w, v, u) ** 2, squares)
        nonnegative(squares)


@step
def taylor_is_exact_if_antiparallel():
    """v = −cu with c ≥ 0: −vᵀMu = c‖u‖² = ‖v‖‖u‖."""
    c = Symbol("c", nonnegative=True)
    for n in range(1, 5):
        w, u = symbols(f"w:{n}", positive=True), symbols(f"u:{n}", real=True)
        v = [-c * each for each in u]
        equal(-_form(w, v, u), c * _form(w, u, u))
        equal(_form(w, v, u) ** 2, _form(w, v, v) * _form(w, u, u))
        nonnegative(-_form(w, v, u))


@step
def scalar_network():
    """f = bax: D > 0 for 0 < ε(−vᵀMu) < uᵀMu, by z3 from the outputs; every hypothesis is needed."""
    eps, a, b, da, db = z3().Reals("epsilon a b da db")
    u, v = db * a + b * da, db * da
    D = 2 * ((b + eps * db) * (a + eps * da) - b * a) * u
    entails([eps > 0, -(eps * v * u) < u * u], D > 0)
