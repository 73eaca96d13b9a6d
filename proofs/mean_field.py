"""At large width, what crosses between two inits of correlation ρ follows the recursion of two cross-kernels.

Statement. Teacher and student draw weights N(0, 1/fan_in) and biases N(0, σ²) with correlation ρ entry by entry; r = 1
for two points in one network, ρ for two in different ones. With C = r(Σ + σ²), κ = E[φφ] and κ̇ = E[φ′φ′] at C,

    Σ ← κ(C),   Θ ← nΣ + 1 + r κ̇(C) Θ,   from Σ = x·x′/d and Θ = x·x′ + 1,

and J_S(x) J_T(x′)ᵀ has the mean Θ on equal outputs and 0 on different ones. Of two blocks between two different
outputs, points (1, 2) and (3, 4), the product has the mean r₁₃ r₂₄ Θ₁₂ Θ₃₄ E[φ′φ′φ′φ′]/n behind the last hidden layer.
So on auxiliary outputs the alignment carries one factor ρ and the change of the trait ρ², before any kernel.

Assumptions. Fully connected, gradients taken of the weights themselves; exact for one hidden layer, else n → ∞.

Proof. Given the layer below, two pre-activations of one unit are Gaussian with covariance C, so Σ. The gradient of a
weight is the signal behind it times the feature before it. The head's has no signal: nΣ + 1, without ρ. In all others
the two signals pass one more layer of weights, whose correlation is the factor r, and the slopes φ′. Between outputs
k ≠ k′ the sum over units of v_k v′_k′ φ′φ′ has mean 0, and in its square only equal units of equal outputs meet.
Price: the Gaussian density obeys ∂_c p = ∂_a∂_b p, so ∂_c E[φφ] = E[φ′φ′]; where κ̇ is known, κ is its integral.

Source. Derived here; for ρ = 1 Cho and Saul 2009, Williams 1997, and Jacot, Gabriel and Hongler 2018.
"""

from itertools import product

from sympy import (
    Matrix,
    Rational,
    Symbol,
    acos,
    asin,
    cosh,
    diff,
    exp,
    expand,
    eye,
    integrate,
    log,
    oo,
    pi,
    prod,
    sinh,
    sqrt,
    symbols,
)

from subtheory.proof import equal, step

CLAIMS = ("mean-field-curve-predicts-transfer",)
PLANNED = ()
USES = ("cross_kernel",)
COQ = ()
SCOPE = "kernels for all variances and correlations; blocks for 2 units, φ = a² in one layer and φ = a in two, exactly"
NOT_COVERED = "how fast the blocks of a deep network concentrate, and the sum over its layers of fourfold kernels"

A, B, X, Y, SIGMA = symbols("A B x y sigma", positive=True)
c, rho, s = symbols("c rho s", real=True)
COVARIANCE = Matrix([[A, c], [c, B]])
"""Of the pre-activations a and b; s² = 1 − ρ² below."""


def _moment(power, variance):
    """E[a^power] of one Gaussian: 0, or variance^{power/2} times a double factorial."""
    return 0 if power % 2 else variance ** (power // 2) * prod(range(1, power, 2))


def _mean(value, variances):
    """The mean of a polynomial over independent Gaussians, s² = 1 − ρ²."""
    terms = expand(value).as_poly(*variances).terms()
    moments = sum(factor * prod(map(_moment, powers, variances.values())) for powers, factor in terms)
    return expand(moments).subs(s, sqrt(1 - rho**2))


def _inits(variances):
    """Values of the parameters in the teacher and in the student, and the law of what they are made of."""
    one, other = ({p: Symbol(f"{p}{i}", real=True) for p in variances} for i in range(2))
    student = {p: rho * one[p] + s * other[p] for p in variances}
    law = {each[p]: variance for each in (one, other) for p, variance in variances.items()}
    return one, student, law


def _block(f, g, parameters, at, to):
    """∇f(at) · ∇g(to)."""
    return sum(diff(f, p).subs(at) * diff(g, p).subs(to) for p in parameters)


def _wick(i, j):
    """E[a^i b^j] at the covariance."""
    u, v = symbols("u v", real=True)
    return _mean(u**i * (c / A * u + v) ** j, {u: A, v: B - c**2 / A})


@step
def price():
    """∂_c p = ∂_a∂_b p for p = e^logp, a Gaussian density; ∂_c E[a^i b^j] = ij E[a^{i−1} b^{j−1}] for i, j = 1..3."""
    a, b = point = symbols("a b", real=True)
    logp = -Matrix(point).dot(COVARIANCE.inv() * Matrix(point)) / 2 - log(COVARIANCE.det()) / 2
    equal(diff(logp, c), diff(logp, a, b) + diff(logp, a) * diff(logp, b))
    for i, j in product(range(1, 4), repeat=2):
        equal(diff(_wick(i, j), c), i * j * _wick(i - 1, j - 1))


@step
def arc_cosine():
    """κ = √(AB)(√(1 − r²) + r(π − arccos r))/2π, κ̇ = (π − arccos r)/2π: κ′ = κ̇, κ̇′ = p(0, 0), and both at c = 0."""
    r = c / sqrt(A * B)
    value = sqrt(A * B) * (sqrt(1 - r**2) + r * (pi - acos(r))) / (2 * pi)
    slope = (pi - acos(r)) / (2 * pi)
    equal(diff(value, c), slope)
    equal(diff(slope, c), 1 / (2 * pi * sqrt(COVARIANCE.det())))
    a = Symbol("a", positive=True)
    positive_part = [integrate(a**k * exp(-(a**2) / (2 * A)), (a, 0, oo)) / sqrt(2 * pi * A) for k in range(2)]
    equal(slope.subs(c, 0), positive_part[0] ** 2)
    equal(value.subs(c, 0), positive_part[1] * positive_part[1].subs(A, B))


@step
def arcsine():
    """κ = (2/π) arcsin(2c/√((1 + 2A)(1 + 2B))) has κ(0) = 0 and κ′ = (4/π) E e^{−a²−b²} = (4/π)/√det(1 + 2C)."""
    value = 2 / pi * asin(2 * c / sqrt((1 + 2 * A) * (1 + 2 * B)))
    # The Gaussian integral of precision C⁻¹ + 2 over that of precision C⁻¹.
    mean = 1 / (COVARIANCE.det() * (COVARIANCE.inv() + 2 * eye(2)).det())
    slope = 4 / pi / sqrt((eye(2) + 2 * COVARIANCE).det())
    equal(slope**2, (4 / pi) ** 2 * mean)
    equal(diff(value, c), slope)
    equal(value.subs(c, 0), 0)


@step
def sine():
    """κ = e^{−(A+B)/2} sinh c and κ̇ = e^{−(A+B)/2} cosh c, by E e^{i(a±b)} = e^{−Var(a±b)/2}."""
    apart, together = (exp(-(A + B + sign * 2 * c) / 2) for sign in (-1, 1))
    value, slope = exp(-(A + B) / 2) * sinh(c), exp(-(A + B) / 2) * cosh(c)
    equal(value.rewrite(exp), (apart - together) / 2)
    equal(slope.rewrite(exp), (apart + together) / 2)
    equal(diff(value, c), slope)


@step
def gelu():
    """φ = aΦ(a): κ = cF + G(AB + c²(1/(1+A) + 1/(1+B) − 1)) solves κ″ = E[φ″φ″] with κ and κ̇ right at c = 0."""
    det = (eye(2) + COVARIANCE).det()
    G = 1 / (2 * pi * sqrt(det))
    F = asin(c / sqrt((1 + A) * (1 + B))) / (2 * pi) + Rational(1, 4)
    value = c * F + G * (A * B + c**2 * (1 / (1 + A) + 1 / (1 + B) - 1))
    slope = F + c * G * (1 / (1 + A) + 1 / (1 + B) + 1 / det)
    equal(diff(value, c), slope)
    # φ″ = (2 − a²)Φ′(a), and Φ′Φ′ tilts the pair to the covariance S.
    S = (COVARIANCE.inv() + eye(2)).inv()
    tilted = 4 - 2 * S[0, 0] - 2 * S[1, 1] + S[0, 0] * S[1, 1] + 2 * S[0, 1] ** 2
    equal(diff(slope, c), G * tilted)
    # E[aΦ(a)] = A E Φ′(a) = A/√(2π(1 + A)) and E φ′(a) = 1/2.
    equal(value.subs(c, 0), A * B / (2 * pi * sqrt(expand((1 + A) * (1 + B)))))
    equal(slope.subs(c, 0), Rational(1, 2) ** 2)


def _kernels(power, C):
    """κ and κ̇ of φ = a or a², of covariance C[0, 1]."""
    if power == 1:
        return C[0, 1], 1
    return C[0, 0] * C[1, 1] + 2 * C[0, 1] ** 2, 4 * C[0, 1]


def _first(x, y, correlation):
    """C¹ of the inputs x and y (fan_in 1) in networks of this correlation."""
    between = correlation * (x * y + SIGMA**2)
    return Matrix([[x**2 + SIGMA**2, between], [between, y**2 + SIGMA**2]])


@step
def powers():
    """The kernels of φ = a and φ = a², and κ̇ = ∂_c κ."""
    for power in range(1, 3):
        value, slope = _kernels(power, COVARIANCE)
        equal(value, _wick(power, power))
        equal(slope, diff(value, c))


def _network(n, power):
    """Two outputs of one hidden layer of n units, as functions of the input, and the variances of the parameters."""
    w, b, v, u = (symbols(f"{name}:{n}", real=True) for name in "wbvu")
    d, e = symbols("d e", real=True)
    variances = {w: 1, b: SIGMA**2, v: Rational(1, n), u: Rational(1, n), (d, e): SIGMA**2}

    def output(head, bias):
        return lambda z: bias + sum(each * (i * z + j) ** power for each, i, j in zip(head, w, b, strict=True))

    return output(v, d), output(u, e), {p: variance for group, variance in variances.items() for p in group}


@step
def one_hidden_layer():
    """E J_S(x)J_T(y) = nκ + 1 + ρκ̇(xy + 1) for φ = a², 0 between outputs; E f_S(x)f_T(y) = ρ(κ + σ²)."""
    n = 2
    f, g, variances = _network(n, 2)
    teacher, student, law = _inits(variances)
    value, slope = _kernels(2, _first(X, Y, rho))
    block = _mean(_block(f(X), f(Y), variances, student, teacher), law)
    equal(block, n * value + 1 + rho * slope * (X * Y + 1))
    equal(_mean(_block(f(X), g(Y), variances, student, teacher), law), 0)
    equal(_mean(f(X).subs(student) * f(Y).subs(teacher), law), rho * (value + SIGMA**2))


@step
def two_hidden_layers():
    """Θ ← nΣ + 1 + ρΘ twice for two linear hidden layers: the mean of the block at n = 2."""
    n = 2
    w, b, a, v = (symbols(f"{name}:{n}", real=True) for name in "wbav")
    W = Matrix(n, n, symbols(f"W:{n * n}", real=True))
    d = Symbol("d", real=True)
    groups = {w: 1, b: SIGMA**2, tuple(W): Rational(1, n), a: SIGMA**2, v: Rational(1, n), (d,): SIGMA**2}
    variances = {p: variance for group, variance in groups.items() for p in group}
    teacher, student, law = _inits(variances)
    f, g = (d + Matrix(v).dot(W * (z * Matrix(w) + Matrix(b)) + Matrix(a)) for z in (X, Y))
    sigma, theta = X * Y, X * Y + 1
    for _ in range(2):
        sigma = rho * (sigma + SIGMA**2)
        theta = n * sigma + 1 + rho * theta
    equal(_mean(_block(f, g, variances, student, teacher), law), theta)


@step
def block_between_outputs():
    """∇f_k(x) · ∇f_k′(y) = (xy + 1) Σ_j v_j v′_j φ′_j(x) φ′_j(y) for two outputs of one hidden layer, φ = a²."""
    f, g, variances = _network(2, 2)
    w, b, v, u = (symbols(f"{name}:2", real=True) for name in "wbvu")
    slopes = [[2 * (i * z + j) for i, j in zip(w, b, strict=True)] for z in (X, Y)]
    paths = sum(i * j * p * q for i, j, p, q in zip(v, u, *slopes, strict=True))
    equal(_block(f(X), g(Y), variances, {}, {}), (X * Y + 1) * paths)


@step
def product_of_blocks():
    """E over the heads of two such sums is r₁₃r₂₄ Σ_j φ′₁φ′₂φ′₃φ′₄/n²: ρ if one point is the student's, ρ² if two."""
    for n, students in product(range(1, 4), ((0,), (0, 1))):
        v, u = (symbols(f"{name}:{n}", real=True) for name in "vu")
        one, other, law = _inits(dict.fromkeys((*v, *u), Rational(1, n)))
        nets = [other if i in students else one for i in range(4)]
        slopes = [symbols(f"p{i}_:{n}", real=True) for i in range(4)]

        def block(k, m, v=v, u=u, nets=nets, slopes=slopes):
            each = zip(v, u, slopes[k], slopes[m], strict=True)
            return sum(nets[k][i] * nets[m][j] * p * q for i, j, p, q in each)

        fourfold = sum(prod(each) for each in zip(*slopes, strict=True)) / n
        equal(_mean(block(0, 1) * block(2, 3), law), rho ** len(students) * fourfold / n)
