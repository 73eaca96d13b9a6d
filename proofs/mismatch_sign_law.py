"""A student whose init is off by a random δ of norm r steps towards its teacher with probability Φ(r*/r), r* ∝ ε.

Statement. Students start at θ0 + δ, the teacher at θ0, P parameters, q = ΔᵀGΔ > 0. To first order in (ε, δ)

    D = εq − ΔᵀGδ,

and in squared error with a network that is linear in θ this is exact. If δ is isotropic of norm r then
ΔᵀGδ = r‖GΔ‖t with E t² = 1/P, t the first coordinate of a uniform unit vector, and

    P(D > 0) = P(t < c) = ½ + ½ I_{c²}(½, (P − 1)/2),   c = εq/(r‖GΔ‖),
             = Φ(s) + φ(s)(s³ − 3s)/(4P) + O(1/P²),   s = √P c = r*/r,   r* = ε√P q/‖GΔ‖.

If δ is normal with covariance (r²/P)·1 it is Φ(s). No δ with ‖δ‖ < r*/√P turns the sign, and none in null(G).

Assumptions. A loss least at z = y with Hessian M there, f twice differentiable, δ independent of everything else.

Proof. ∂_z l(f(θ0 + δ), f(θ0 + εΔ)) = M(Jδ − εJΔ) to first order, and D is minus its mean product with JΔ; what
J(θ0 + δ) − J(θ0) adds is of second order, because M(Jδ − εJΔ) is already of first. By isotropy ΔᵀGδ has the law
of r‖GΔ‖t. A normal vector is its norm times an independent unit vector, so that E t^{2k} = E Z^{2k}/E χ_P^{2k}; on
[−1, 1] the moments fix the law, and they are those of the density below. Integrate it with x = t². Expand the
density of √P t in 1/P, dominated by a normal one: the constant in front makes the mass 1, which leaves a term in
1/P of mass 0, integrated in closed form.

Source. Derived here; prediction P16 gives the limit. Shared inits are δ = 0, arXiv 2507.14805, Lemma 1.
"""

from sympy import (
    Matrix,
    Rational,
    Symbol,
    beta,
    diff,
    exp,
    gamma,
    integrate,
    limit,
    log,
    oo,
    pi,
    sqrt,
    symbols,
)

from subtheory.proof import entails, equal, positive, step
from subtheory.proof.smt import z3

CLAIMS = ("mismatch-sign-law", "critical-radius-is-proportional-to-eps")
PLANNED = ()
USES = ("alignment_identity", "match_hessian")
COQ = ()
SCOPE = "every P for the law of t; 2 outputs and 2 parameters, any loss, for the first order; the prose holds for all"
NOT_COVERED = "the size of the second-order terms in δ and ε, which a measurement has to bound"

EPS, R, T = symbols("epsilon r t", positive=True)
DIMENSION = Symbol("P", positive=True)
"""P; positive integers are meant."""


def _density(P, t=T):
    """Γ(P/2)/(√π Γ((P − 1)/2)) (1 − t²)^{(P − 3)/2}: of one coordinate of a uniform unit vector."""
    return gamma(P / 2) / (sqrt(pi) * gamma((P - 1) / 2)) * (1 - t**2) ** ((P - 3) / 2)


def _normal(t):
    return exp(-(t**2) / 2) / sqrt(2 * pi)


def _network(theta):
    """Two outputs of two parameters near θ0 = 0, to second order, with letters for f(θ0), J and half of f″."""
    z = Matrix(2, 2, symbols("J:4", real=True)) * theta
    for i, value in enumerate(symbols("z:2", real=True)):
        z[i] += value + theta.dot(Matrix(2, 2, symbols(f"H{i}_:4", real=True)) * theta)
    return z


@step
def first_order():
    """dD/ds = εΔᵀGΔ − ΔᵀGδ at s = 0, sizes sε and sδ; ∂_z l = A(z, y)(z − y), A = M at the match; no f″ is left."""
    s = Symbol("s", real=True)
    delta, Delta, theta = (Matrix(symbols(f"{name}:2", real=True)) for name in ("delta", "Delta", "theta"))
    A = Matrix(2, 2, symbols("A:4", real=True)) + s * Matrix(2, 2, symbols("B:4", real=True))
    jacobian = _network(theta).jacobian(theta)
    at, matched = (jacobian.subs(dict(zip(theta, point, strict=True))) for point in (s * delta, 0 * delta))
    G = matched.T * A.subs(s, 0) * matched
    D = -(A * (_network(s * delta) - _network(s * EPS * Delta))).dot(at * Delta)
    equal(D.subs(s, 0), 0)
    equal(diff(D, s).subs(s, 0), EPS * Delta.dot(G * Delta) - Delta.dot(G * delta))


@step
def exact_if_linear():
    """D = εΔᵀGΔ − ΔᵀGδ, at every size, in squared error with a linear network."""
    delta, Delta, x, w = (Matrix(symbols(f"{name}:3", real=True)) for name in ("delta", "Delta", "x", "w"))
    G = x * x.T * 2 * w[0]
    theta = Matrix(symbols("theta:3", real=True))
    loss = w[0] * (x.dot(theta) - x.dot(EPS * Delta)) ** 2
    D = -Matrix([loss]).jacobian(theta).dot(Delta).subs(dict(zip(theta, delta, strict=True)))
    equal(D, EPS * Delta.dot(G * Delta) - Delta.dot(G * delta))


@step
def moments():
    """E t^{2k} = (2k − 1)/(P + 2k − 2) E t^{2k−2}, as for E Z^{2k}/E χ_P^{2k}: by parts; E t² = 1/P."""
    P, k = DIMENSION, Symbol("k", positive=True)
    sphere, chi = (1 - T**2) ** ((P - 3) / 2), T ** (P - 1) * _normal(T)
    falls = {}
    for weight, gained, lost in (sphere, 2 * k - 1, P + 2 * k - 2), (_normal(T), 2 * k - 1, 1), (chi, P + 2 * k - 2, 1):
        # At both ends of the range the boundary term is 0.
        boundary = T ** (2 * k - 1) * weight * (1 - T**2 if weight == sphere else 1)
        equal(diff(boundary, T), (gained * T ** (2 * k - 2) - lost * T ** (2 * k)) * weight)
        falls[weight] = gained / lost
    equal(falls[sphere], falls[_normal(T)] / falls[chi])
    equal(falls[sphere].subs(k, 1), 1 / P)


@step
def beta_integral():
    """d/dc ½ I_{c²}(½, (P − 1)/2) = f(c), and it is 0 at c = 0: half of the mass, then I/2."""
    a, b = Rational(1, 2), (DIMENSION - 1) / 2
    integrand = T ** (a - 1) * (1 - T) ** (b - 1) / beta(a, b).rewrite(gamma)
    c = Symbol("c", positive=True)
    slope = integrand.subs(T, c**2) * diff(c**2, c) / 2
    equal(slope, _density(DIMENSION, c))


@step
def limit_is_normal():
    """∂_s log f(s/√P) = −s(1 − 3/P)/(1 − s²/P) = −s + ∂_s(6s² − s⁴)/(4P) + O(1/P²), s = √P t."""
    x, s = Symbol("x", positive=True), Symbol("s", real=True)
    slope = -s * (1 - 3 * x) / (1 - x * s**2)
    equal(diff(log(_density(1 / x, sqrt(x) * s)), s), slope)
    equal(slope.subs(x, 0), diff(log(_normal(s)), s))
    equal(diff(slope, x).subs(x, 0), diff(6 * s**2 - s**4, s) / 4)


@step
def correction():
    """d/ds φ(s)(s³ − 3s)/4 = φ(s)((6s² − s⁴)/4 − 3/4); 0 at both ends: 3/4 makes the mass 1. At 0 half is below."""
    s = Symbol("s", real=True)
    primitive = _normal(s) * (s**3 - 3 * s) / 4
    equal(diff(primitive, s), _normal(s) * ((6 * s**2 - s**4) / 4 - Rational(3, 4)))
    equal([limit(primitive, s, end) for end in (-oo, 0, oo)], [0, 0, 0])
    equal(integrate(_normal(s), (s, -oo, oo)), 1)


@step
def standardised():
    """For both laws of δ the mean of D over its standard deviation is εq/√(r²‖GΔ‖²/P) = r*/r; it is 1 at r*."""
    q, norm = symbols("q g", positive=True)
    P = DIMENSION
    radius = EPS * sqrt(P) * q / norm
    ratio = EPS * q / sqrt(R**2 * norm**2 / P)
    equal(ratio, radius / R)
    equal(ratio.subs(R, radius), 1)
    equal(diff(log(radius), EPS) * EPS, 1)
    positive(diff(radius, EPS))


@step
def harmless():
    """εq − g r t > 0 if g r < εq and t ≤ 1; D = εq if Gδ = 0."""
    module = z3()
    signal, g, r, t = module.Reals("signal g r t")
    entails([g > 0, r > 0, t <= 1, g * r < signal], signal - g * r * t > 0)
