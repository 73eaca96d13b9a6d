"""At a perfect match the matrix of the theorem is the loss's own Hessian, hence symmetric and positive semidefinite.

Statement. If l(z, y) is smallest over z at z = y, for every y, then at the match

    M := −∂²l/∂y∂z = ∂²l/∂z²,   symmetric, and uᵀMu = lim 2(l(y + tu, y) − l(y, y))/t² ≥ 0.

It is 2 diag(w) for l = Σ w_i (z_i − y_i)²; C = diag(p) − ppᵀ, p = softmax(y), for KL (hence cross-entropy) and
reverse KL; C/4 for Jensen-Shannon; C/T², p = softmax(y/T), for KL at temperature T; and ∇²φ(y) for the Bregman loss
of φ in either order of its arguments.

Assumptions. l twice continuously differentiable. Nothing is assumed of M: that it is symmetric and positive
semidefinite, which the theorem's remark asks for, comes for free. Only the null space is a condition.

Proof. g = ∂l/∂z is 0 wherever z = y. By Hadamard's lemma g_i = Σ_j (z_j − y_j) h_ij(z, y) with continuous h, so that
∂g_i/∂z_j = h_ij = −∂g_i/∂y_j at the match. A Hessian is symmetric. Along z = y + tu, l starts at its minimum with
slope 0, so that l − l(y, y) = t² k(t) with k(0) = uᵀMu/2, and k ≥ 0. A sum Σ F(q_i, p_i) over q = softmax(z),
p = softmax(y) has Hessian F′ Σ_i ∂²q_i/∂z² + Sᵀ diag(F″) S with S = ∂q/∂z = C; at the match F′ is the same for all i
and Σ q_i is constant, which leaves C diag(c/p) C = cC where F″ = c/p. The others are two derivatives each.

Source. Differentiating g(y, y) = 0; arXiv 2507.14805, App. C, remark on the loss class, where M is −∂²l/∂y∂z.
"""

from sympy import Function, Matrix, Rational, cosh, diag, diff, exp, hessian, log, symbols, zeros

from subtheory.proof import equal, step

CLAIMS = ()
PLANNED = ("match-hessian-is-free",)
COQ = (
    "SmoothLoss.match_hessian",
    "SmoothLoss.smooth_minimum_psd",
    "SmoothLoss.compatible_smooth",
)
SCOPE = "n = 1..3 by sympy (n = 1..4 for the softmax losses); the argument is for all n"
NOT_COVERED = "losses that are not twice differentiable at the match, as absolute values are not"

PHI = Function("phi")


def _points(n):
    return [Matrix(symbols(f"{name}:{n}", real=True)) for name in "zy"]


def _covariance(p):
    return diag(*p) - p * p.T


def _softmax(z):
    return Matrix([exp(each) / sum(map(exp, z)) for each in z])


def _hessians(loss, z, y):
    """∂²l/∂z² and −∂²l/∂y∂z at z = y."""
    gradient = Matrix([loss]).jacobian(z)
    return [each.subs(dict(zip(z, y, strict=True))).doit() for each in (gradient.jacobian(z), -gradient.jacobian(y))]


@step
def both_second_derivatives():
    """g_i = Σ_j (z_j − y_j) h_ij(z, y): ∂g_i/∂z_j = h_ij(y, y) = −∂g_i/∂y_j at z = y."""
    for n in range(1, 4):
        z, y = _points(n)
        h = [[Function(f"h{i}{j}") for j in range(n)] for i in range(n)]
        g = Matrix([sum((z[j] - y[j]) * h[i][j](*z, *y) for j in range(n)) for i in range(n)])
        equal(g.subs(dict(zip(z, y, strict=True))), zeros(n, 1))
        at_match = Matrix([[each(*y, *y) for each in row] for row in h])
        for found in (g.jacobian(z), -g.jacobian(y)):
            equal(found.subs(dict(zip(z, y, strict=True))), at_match)


@step
def nonnegative_for_free():
    """φ(t) = l(y + tu, y) = φ(0) + t² k(t): φ″(0) = 2k(0), so that uᵀMu = lim 2(φ(t) − φ(0))/t²."""
    t, k = symbols("t"), Function("k")
    along = symbols("c") + t**2 * k(t)
    equal(diff(along, t, t).subs(t, 0).doit(), 2 * k(0))


@step
def squared_error():
    """l = Σ w_i (z_i − y_i)²: M = 2 diag(w)."""
    for n in range(1, 4):
        z, y = _points(n)
        w = symbols(f"w:{n}")
        loss = sum(w[i] * (z[i] - y[i]) ** 2 for i in range(n))
        for found in _hessians(loss, z, y):
            equal(found, 2 * diag(*w))


@step
def softmax_jacobian():
    """∂softmax(z)/∂z = C, symmetric, with columns that sum to 0; and C diag(1/p) C = C."""
    for n in range(1, 5):
        z = _points(n)[0]
        e = symbols(f"e:{n}")
        p = Matrix(e) / sum(e)
        C = _covariance(p)
        equal(_softmax(z).jacobian(z), _covariance(_softmax(z)))
        equal(C * diag(*(1 / each for each in p)) * C, C)


@step
def divergences():
    """F(q, p) for KL, reverse KL and Jensen-Shannon: F′ is constant at q = p, and F″ = −∂²F/∂q∂p = c/p."""
    p, q = symbols("p q")
    middle = (p + q) / 2
    for F, slope, c in (
        (p * log(p / q), -1, 1),
        (q * log(q / p), 1, 1),
        ((p * log(p / middle) + q * log(q / middle)) / 2, 0, Rational(1, 4)),
    ):
        equal(diff(F, q).subs(q, p), slope)
        equal(diff(F, q, q).subs(q, p), c / p)
        equal(-diff(F, q, p).subs(q, p), c / p)


@step
def chain_rule():
    """∂²F(q(z))/∂z² = F″ ∇q ∇qᵀ + F′ ∂²q/∂z² for undefined F and q."""
    z = symbols("z:2")
    q, x, F = Function("q")(*z), symbols("x"), Function("F")
    gradient = Matrix([q]).jacobian(z)
    first, second = (diff(F(x), x, k).subs(x, q) for k in range(1, 3))
    equal(hessian(F(q), z), second * gradient.T * gradient + first * hessian(q, z))


@step
def temperature():
    """l = logsumexp(z/T) − ⟨softmax(y/T), z/T⟩, which is KL up to a function of y: M = C/T²."""
    for n in range(1, 4):
        (z, y), T = _points(n), symbols("T")
        loss = log(sum(map(exp, z / T))) - _softmax(y / T).dot(z / T)
        for found in _hessians(loss, z, y):
            equal(found, _covariance(_softmax(y / T)) / T**2)


def _bregman(a, b):
    return PHI(*a) - PHI(*b) - Matrix([PHI(*b)]).jacobian(b).dot(a - b)


@step
def bregman():
    """φ(z) − φ(y) − ⟨∇φ(y), z − y⟩ and φ(y) − φ(z) − ⟨∇φ(z), y − z⟩, φ undefined: M = ∇²φ(y) for both."""
    for n in range(1, 3):
        z, y = _points(n)
        for loss in (_bregman(z, y), _bregman(y, z)):
            for found in _hessians(loss, z, y):
                equal(found, hessian(PHI(*y), list(y)))


@step
def potentials():
    """φ = Σ w_i log(1 + e^{z_i}) and Σ w_i cosh z_i: one entry of ∇²φ is w σ(z)σ(−z), and w cosh z."""
    z, w = symbols("z w")
    equal(diff(w * log(1 + exp(z)), z, z), w / (1 + exp(-z)) / (1 + exp(z)))
    equal(diff(w * cosh(z), z, z), w * cosh(z))
