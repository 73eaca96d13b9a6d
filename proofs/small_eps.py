"""No ε is small enough for all networks.

Statement. For f = sin(kθ) at θ0 = 0, Δ = 1 and l = (z − y)²

    D(ε) = 2k sin(kε),   D(ε)/ε → 2k² = q > 0,   D < 0 for π/k < ε < 2π/k.

For every ε0 > 0 the network with k = 3π/(2ε0) has D(ε0) = −2k < 0.

Assumptions. None: f is analytic, and the initialisation is shared.

Proof. f′(0) = k and the label is sin(kε). Put ε = (π + s)/k, 0 < s < π: sin(kε) = −sin(s), and with s = 2 arctan(r),
r > 0, sin(s) = 2r/(1 + r²) > 0.

Source. Derived here; arXiv 2507.14805 has "sufficiently small" with no bound. M = 2 here, 1 in Coq.
"""

from sympy import Rational, Symbol, atan, diff, expand_trig, limit, oo, pi, sin, symbols

from subtheory.proof import equal, negative, positive, step

CLAIMS = ()
PLANNED = ("no-eps-is-small-for-every-network",)
COQ = ("Counterexamples.small_e_needed",)
SCOPE = "every k > 0"
NOT_COVERED = "networks of one architecture with bounded weights, for which there is a common bound"


def _alignment(k, eps):
    """D(ε) = −∇(sin(kθ) − sin(kε))² at θ = 0, as Δ = 1."""
    theta = Symbol("theta", real=True)
    return -diff((sin(k * theta) - sin(k * eps)) ** 2, theta).subs(theta, 0)


@step
def alignment():
    """D(ε) = 2k sin(kε) and D(ε)/ε → 2k² > 0."""
    k, eps = symbols("k epsilon", positive=True)
    equal(_alignment(k, eps), 2 * k * sin(k * eps))
    q = limit(_alignment(k, eps) / eps, eps, 0)
    equal(q, 2 * k**2)
    positive(q)


@step
def negative_interval():
    """ε = (π + 2 arctan(r))/k, r > 0, is every point of (π/k, 2π/k), and there D = −4kr/(1 + r²) < 0."""
    k, r = symbols("k r", positive=True)
    value = -4 * k * r / (1 + r**2)
    equal(expand_trig(_alignment(k, (pi + 2 * atan(r)) / k)), value)
    negative(value)
    equal([limit(2 * atan(r), r, 0), limit(2 * atan(r), r, oo)], [0, pi])


@step
def no_common_bound():
    """k = 3π/(2ε0): D(ε0) = −2k = −3π/ε0 < 0."""
    bound = Symbol("epsilon0", positive=True)
    k = Rational(3, 2) * pi / bound
    equal(_alignment(k, bound), -2 * k)
    equal(-2 * k, -3 * pi / bound)
    negative(-2 * k)
