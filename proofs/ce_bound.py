"""How small is small enough: below 2q/N the alignment is positive, with N a bound on the second derivative.

Statement. Let φ be the outputs along the teacher's segment, u = φ′(0), D(ε) = E h(ε). If E h″ ≥ −N on [0, ε], then

    D(ε) ≥ εq − ½ε²N,   which is positive for 0 < ε < 2q/N.

For softmax cross-entropy, with π = softmax(φ(t)) and R(a) = max a − min a,

    h″ = ⟨π″, u⟩ = Cov_π(φ″, u) + E_π[(φ′ − E_π φ′)² (u − E_π u)],   |h″| ≤ ¼ R(u) (R(φ″) + R(φ′)²),

and for squared error h″ = 2 Σ w φ″ u, |h″| ≤ 2 ‖√w φ″‖ ‖√w u‖. The constant in 2q/N is best possible.

Assumptions. A shared init; φ twice continuously differentiable on [0, ε]; finite logits.

Proof. D(0) = 0 and D′(0) = q, so that D(ε) = εq + ∫₀^ε (ε − s) E h″(s) ds ≥ εq − N ∫₀^ε (ε − s) ds = εq − ½ε²N. Twice
the derivative of a softmax mean gives the formula for h″. Its two terms are covariances with u, of φ″ and of
(φ′ − E_π φ′)², whose range is at most R(φ′)². A covariance is at most the product of two standard deviations, by the
Cauchy-Schwarz inequality, and a variance is at most ¼R² (Popoviciu): ¼R² − Var c is
E[(c − min)(max − c)] + (E c − mid)² ≥ 0.
For f = θ − θ² at 0, D turns at 2q/N exactly.

Source. arXiv 2507.14805, App. C, where "sufficiently small" has no constant. Half of the squared error has half of q
and of N.
"""

from itertools import combinations

from sympy import Function, Matrix, diag, diff, exp, integrate, ones, sqrt, symbols

from subtheory.proof import entails, equal, nonnegative, positive, step
from subtheory.proof.smt import z3

CLAIMS = ("alignment-is-positive-below-its-threshold",)
PLANNED = ("thresholds-are-sharp",)
USES = ("alignment_identity",)
COQ = (
    "NetworkThresholds.threshold_mse_network",
    "NetworkThresholds.threshold_ce_network",
    "NetworkThresholds.alignment_is_align",
    "Thresholds.threshold_mse",
    "Thresholds.threshold_mse_sharp",
    "Thresholds.threshold_ce",
    "Thresholds.threshold_ce_sharp",
    "Thresholds.softmax_path_second_derivative",
    "Thresholds.second_derivative_range",
    "Popoviciu.popoviciu",
)
SCOPE = "n = 1..3 outputs by sympy (n = 1..4 for squared error), every n in Coq"
NOT_COVERED = "how N is computed for a network: in ball arithmetic, which is trusted"


def _vector(name, n):
    return Matrix(symbols(f"{name}:{n}", real=True))


def _law(n):
    """Any softmax: e_i/Σe, e > 0."""
    e = Matrix(symbols(f"e:{n}", positive=True))
    return e / sum(e)


def _covariance(p, a, c):
    return a.dot((diag(*p) - p * p.T) * c)


@step
def remainder():
    """D(ε) = D(0) + εD′(0) + ∫₀^ε (ε − s) D″(s) ds for undefined D, and ∫₀^ε (ε − s) N ds = ½ε²N."""
    s, eps, N, D = *symbols("s eps N"), Function("D")
    under = (eps - s) * diff(D(s), s) + D(s)
    equal(diff(under, s), (eps - s) * diff(D(s), s, 2))
    equal(under.subs(s, eps) - under.subs(s, 0), D(eps) - D(0) - eps * diff(D(s), s).subs(s, 0))
    equal(integrate((eps - s) * N, (s, 0, eps)), eps**2 / 2 * N)


@step
def threshold():
    """εq − ½ε²N > 0 whenever q exceeds ½εN, and 0 at ε = 2q/N."""
    eps, excess = symbols("eps excess", positive=True)
    q, N = symbols("q N")
    bound = eps * q - eps**2 / 2 * N
    positive(bound.subs(q, eps * N / 2 + excess).expand())
    equal(bound.subs(eps, 2 * q / N), 0)


@step
def second_derivative():
    """⟨π″, u⟩ = Cov_π(φ″, u) + E_π[(φ′ − E_π φ′)² (u − E_π u)], with φ′ = a and φ″ = b at the time in question."""
    t = symbols("t")
    for n in range(1, 4):
        a, b, u, e = (_vector(name, n) for name in "abue")
        p, moved = e / sum(e), diag(*e) * (t * a + t**2 / 2 * b).applyfunc(exp)
        third = sum(w * (x - p.dot(a)) ** 2 * (y - p.dot(u)) for w, x, y in zip(p, a, u, strict=True))
        equal(diff((moved / sum(moved)).dot(u), t, 2).subs(t, 0), _covariance(p, b, u) + third)


@step
def both_terms_are_covariances():
    """E[b (u − E u)] = Cov(b, u), to be used with b = (a − E a)², and a_i − E a = Σ p_j (a_i − a_j), at most R(a)."""
    for n in range(1, 4):
        p, b, u = _law(n), _vector("b", n), _vector("u", n)
        equal(sum(w * x * (y - p.dot(u)) for w, x, y in zip(p, b, u, strict=True)), _covariance(p, b, u))
        for each in b:
            equal(each - p.dot(b), p.dot(each * ones(n, 1) - b))


@step
def covariance_is_at_most_the_deviations():
    """Var a Var c − Cov(a, c)² = Σ_{i<j<k} p_i p_j p_k det(1, a, c)² ≥ 0."""
    for n in range(1, 4):
        p, a, c = _law(n), _vector("a", n), _vector("c", n)
        rows = Matrix.hstack(ones(n, 1), a, c)
        terms = [
            p[i] * p[j] * p[k] * rows.extract([i, j, k], list(range(3))).det() ** 2
            for i, j, k in combinations(range(n), 3)
        ]
        for term in terms:
            nonnegative(term)
        equal(_covariance(p, a, a) * _covariance(p, c, c) - _covariance(p, a, c) ** 2, sum(terms))


@step
def popoviciu():
    """¼(M − m)² − Var c = E[(c − m)(M − c)] + (E c − ½(m + M))² ≥ 0, so that |Cov(a, c)| ≤ ¼R(a)R(c)."""
    m, R, S, other = symbols("m", real=True), *symbols("R S other", positive=True)
    for n in range(1, 4):
        p, share = _law(n), symbols(f"s:{n}", positive=True)
        c = Matrix([m + R * s / (s + other) for s in share])  # anything between m and M = m + R
        inside = [w * (each - m) * (m + R - each) for w, each in zip(p, c, strict=True)]
        for term in inside:
            nonnegative(term)
        equal(R**2 / 4 - _covariance(p, c, c), sum(inside) + (p.dot(c) - m - R / 2) ** 2)
    equal(sqrt(R**2 / 4) * sqrt(S**2 / 4), R * S / 4)


@step
def popoviciu_again():
    """By z3, n = 2: the law (p, 1 − p) on a and b with |a − b| ≤ R has variance ≤ ¼R²."""
    p, a, b, R = z3().Reals("p a b R")
    variance = p * a**2 + (1 - p) * b**2 - (p * a + (1 - p) * b) ** 2
    entails([a - b <= R, b - a <= R], variance <= R**2 / 4)


@step
def squared_error():
    """h″ = 2 Σ w φ″ u; Σ w b² Σ w u² − (Σ w b u)² = Σ_{i<j} w_i w_j (b_i u_j − b_j u_i)² ≥ 0 bounds it by norms."""
    t = symbols("t")
    for n in range(1, 5):
        b, u, z = _vector("b", n), _vector("u", n), _vector("z", n)
        W = diag(*symbols(f"w:{n}", positive=True))
        phi = Matrix([Function(f"phi{i}")(t) for i in range(n)])
        h = -Matrix([(z - phi).dot(W * (z - phi))]).jacobian(z).dot(u)
        equal(diff(h, t, 2), 2 * phi.diff(t, 2).dot(W * u))
        terms = [W[i, i] * W[j, j] * (b[i] * u[j] - b[j] * u[i]) ** 2 for i, j in combinations(range(n), 2)]
        for term in terms:
            nonnegative(term)
        equal(b.dot(W * b) * u.dot(W * u) - b.dot(W * u) ** 2, sum(terms))


@step
def best_possible():
    """f = θ − aθ² at 0, squared error: q = 2, h″ = −4a = −N, and D(2q/N) = 0."""
    a, eps, z, y = symbols("a eps z y")
    D = -diff((z - y) ** 2, z).subs(z, 0).subs(y, eps - a * eps**2)
    q, N = diff(D, eps).subs(eps, 0), -diff(D, eps, 2)
    equal([q, N], [2, 4 * a])
    equal(D.subs(eps, 2 * q / N), 0)
