"""The next term of the alignment, with its coefficient: half the second derivative along the segment.

Statement. Let φ(ε) = z + εu + ½ε²v + O(ε³) be the outputs along the teacher's segment and D(ε) = E h(ε) with
h(ε) = −⟨∂l/∂z(z, φ(ε)), u⟩. Then D(ε) = εq + ½ε² E h″(0) + O(ε³), where

    h″(0) = 2 Σ w_i u_i v_i for squared error,   h″(0) = Cov_p(u, v) + E_p (u − ū)³ for cross-entropy, p = softmax(z),

and in general h″(0) = uᵀMv + N[u, u, u] with N_ijk = −∂³l/∂z_i∂y_j∂y_k at the match.

Assumptions. A shared init; outputs and loss three times differentiable along the segment with bounded third derivative.

Proof. Taylor's theorem for −∂l/∂z_i(z, y) = Σ M_ij δ_j + ½ Σ N_ijk δ_j δ_k + O(|δ|³) at δ = φ(ε) − z = εu + ½ε²v + ε³r:
the terms in ε² are ½ uᵀMv + ½ N[u, u, u]. For squared error N = 0. For cross-entropy h is the mean of u under
softmax(φ); differentiating a softmax mean once gives a covariance with φ′, and once more gives Cov(u, φ″) and the third
central moment of u. Two derivatives are not enough: outputs θ + |θ|^(5/2) leave a term of order ε^(5/2).

Source. Taylor's theorem on the segment. With l half of the squared error the first formula has no factor 2.
"""

from itertools import product

from sympy import Function, Matrix, Rational, Symbol, diag, diff, exp, symbols

from subtheory.proof import equal, step

CLAIMS = ("alignment-to-second-order",)
USES = ("alignment_identity",)
COQ = ("Thresholds.softmax_path_second_derivative",)
SCOPE = "n = 1..4 for squared error, 1..3 for cross-entropy, 1, 2 for any loss by sympy; the argument is for all n"
NOT_COVERED = (
    "the constant of O(ε³); networks with kinks on the segment; in Coq only the second derivative of a softmax path"
)

EPS = Symbol("eps", positive=True)


def _vector(name, n):
    return Matrix(symbols(f"{name}:{n}"))


def _moved(u, v, r):
    """φ(ε) − z = εu + ½ε²v + ε³r."""
    return EPS * u + EPS**2 / 2 * v + EPS**3 * r


def _second(h):
    """h″(0)."""
    return diff(h, EPS, 2).subs(EPS, 0).doit()


@step
def squared_error():
    """D = −⟨∂l/∂z, u⟩ = ε · 2 Σ w_i u_i² + ½ε² · 2 Σ w_i u_i v_i + ε³ · 2 Σ w_i u_i r_i(ε)."""
    for n in range(1, 5):
        z, y, u, v, w = (_vector(name, n) for name in "zyuvw")
        pull = -Matrix([(z - y).dot(diag(*w) * (z - y))]).jacobian(z)
        r = Matrix([Function(f"r{i}")(EPS) for i in range(n)])
        D = pull.dot(u).subs(dict(zip(y, z + _moved(u, v, r), strict=True)))
        q, curved, rest = ((2 * diag(*w) * u).dot(each) for each in (u, v, r))
        equal(_second(D), curved)
        equal(D, EPS * q + EPS**2 / 2 * curved + EPS**3 * rest)


@step
def cross_entropy():
    """h = ⟨softmax(φ) − p, u⟩: h″(0) = Cov_p(u, v) + Σ p_i (u_i − ū)³."""
    for n in range(1, 4):
        e, u, v, r = (_vector(name, n) for name in "euvr")  # e for the exponentials of z
        p, moved = e / sum(e), diag(*e) * _moved(u, v, r).applyfunc(exp)
        mean = p.dot(u)
        third = sum(a * (b - mean) ** 3 for a, b in zip(p, u, strict=True))
        h = (moved / sum(moved) - p).dot(u)
        equal(h.subs(EPS, 0).doit(), 0)
        equal(_second(h), u.dot((diag(*p) - p * p.T) * v) + third)


@step
def any_loss():
    """−∂l/∂z_i = Σ M_ij δ_j + ½ Σ N_ijk δ_j δ_k + cubic terms: h″(0) = uᵀMv + N[u, u, u]."""
    for n in range(1, 3):
        u, v, r = (_vector(name, n) for name in "uvr")
        M = Matrix(n, n, symbols(f"M:{n * n}"))
        places = list(product(range(n), repeat=3))
        N = dict(zip(places, symbols(f"N:{n**3}"), strict=True))
        delta = _moved(u, v, r)
        h = (M * delta).dot(u) + sum(N[i, j, k] * u[i] * delta[j] * delta[k] for i, j, k in places) / 2
        equal(h.subs(EPS, 0).doit(), 0)
        equal(_second(h), u.dot(M * v) + sum(N[i, j, k] * u[i] * u[j] * u[k] for i, j, k in places))


@step
def a_third_derivative_is_needed():
    """f = θ + |θ|^(5/2) at 0, Δ = 1, squared error: D = 2ε + 2ε^(5/2), h″(0) = 0, and the rest is no O(ε³)."""
    z, y = symbols("z y")
    D = -diff((z - y) ** 2, z).subs(z, 0).subs(y, EPS + EPS ** Rational(5, 2))
    equal(_second(D), 0)
    equal((D - 2 * EPS) / EPS**3, 2 / EPS ** Rational(1, 2))
