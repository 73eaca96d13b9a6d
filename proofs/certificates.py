"""A cover of boxes proves a sign for every ε in (0, E], not only for those that were computed.

Statement. Let f be D(ε), or L_T(θ0) − L_T(θ0 + αΔθ_S(ε)), so that f(0) = 0, and 0 < e_1 < ... < e_n = E. If f(t)/t is
bounded below by a positive number on (0, e_1], and f on every [e_i, e_{i+1}] with middle m, by Taylor's formulas

    f(t)/t ∈ f′(0) + ½f″(box) t,      f(t) ∈ f(m) + f′(m)(t − m) + ½f″(box)(t − m)²,

then f > 0 on all of (0, E]. Balls of f, f′ and f″/2 on a box follow by the rules for jets from those of the parameters.

Assumptions. f twice continuously differentiable on [0, E]; every ball contains all values on its box.

Proof. f(m + h) − f(m) − hf′(m) = h² ∫₀¹ (1 − s) f″(m + sh) ds: a mean of f″ over the box with weights 1 − s ≥ 0 of
total ½, hence in ½h² f″(box). With f(0) = 0 and m = 0, divide by h = t. The k-th coefficient has the same formula with
binomials. The boxes adjoin from 0 to E, so that every ε lies in one. Products and compositions of jets are Leibniz's
and Faà di Bruno's rules; a softmax and a log-likelihood are composed of exp, log and 1/z. Values at the ends of boxes
alone would not do.

Source. Taylor's theorem with integral remainder; R. E. Moore's interval arithmetic.
"""

from math import comb, factorial

from sympy import Function, Poly, Rational, cos, diff, erf, exp, integrate, log, pi, sin, sqrt, symbols, tanh

from subtheory.proof import entails, equal, positive, step
from subtheory.proof.smt import z3

CLAIMS = ("alignment-is-certified", "lower-trait-loss-is-certified")
COQ = (
    "Descent.certificate",
    "Descent.cover",
)
SCOPE = "undefined f, jets up to order 3, softmax of n = 2..4; the argument is for any network made of these functions"
NOT_COVERED = "Arb, which is trusted; that the networks spelt out on balls are those that are trained, which is tested"

T, Z = symbols("t z", real=True)


def _jet(expression, variable):
    """f, f′, f″/2!, f‴/3!."""
    return [diff(expression, variable, k) / factorial(k) for k in range(4)]


@step
def mean_value_form():
    """d/ds Σ_{j<K} (1 − s)ʲ hʲ f_j(m + sh) = K(1 − s)^(K−1) h^K f_K(m + sh), f_j = f⁽ʲ⁾/j!: ends and total weight."""
    m, h, s, x = symbols("m h s x")
    f = Function("f")
    jet = [each.subs(x, m + s * h) for each in _jet(f(x), x)]
    for K in range(1, 4):
        terms = sum((1 - s) ** j * h**j * jet[j] for j in range(K))
        weight = K * (1 - s) ** (K - 1)
        equal(diff(terms, s), weight * h**K * jet[K])
        equal(terms.subs(s, 1), f(m + h))
        equal(terms.subs(s, 0).doit(), sum(h**j * diff(f(m), m, j) / factorial(j) for j in range(K)))
        equal(integrate(weight, (s, 0, 1)), 1)


@step
def binomials():
    """The k-th coefficient expands with C(j, k) f_j h^(j−k): f⁽ʲ⁾/(k!(j − k)!) = C(j, k) f⁽ʲ⁾/j!."""
    for j in range(4):
        for k in range(j + 1):
            equal(Rational(1, factorial(k) * factorial(j - k)), Rational(comb(j, k), factorial(j)))


@step
def first_box():
    """f(0) = 0: f(t)/t = f′(0) + t ∫₀¹ (1 − s) f″(st) ds for all polynomials of degree ≤ 6, and ∫₀¹ (1 − s) ds = ½."""
    s = symbols("s")
    f = Poly([*symbols("a1:7"), 0], T).as_expr()
    mean = Poly((1 - s) * diff(f, T, 2).subs(T, s * T), s).integrate(s).eval(s, 1)
    equal(f / T, diff(f, T).subs(T, 0) + T * mean)
    equal(Poly(1 - s, s).integrate(s).eval(s, 1), Rational(1, 2))


@step
def both_curves_vanish_at_zero():
    """D = ru and F = L_T after the pull r − L_T(θ0), r = a(φ(t)) − a(φ(0)), are 0 at t = 0, and D′ = φ′ a′ u."""
    a, phi, L_T, u = *(Function(name) for name in ("a", "phi", "L_T")), symbols("u")
    pull = a(phi(T)) - a(phi(0))
    D, F = pull * u, L_T(pull) - L_T(0)
    equal([D.subs(T, 0), F.subs(T, 0)], [0, 0])
    equal(diff(D, T), diff(phi(T), T) * diff(a(Z), Z).subs(Z, phi(T)) * u)


@step
def a_box_is_decided():
    """|h| ≤ r, |f′(m)| ≤ g, f″ ≥ −N: f(m) + f′h + ½f″h² is f(m) − gr − ½Nr² plus three terms that are ≥ 0."""
    f, f1, f2, h, r, g, N = symbols("f f1 f2 h r g N")
    excess, terms = f - g * r - N / 2 * r**2, [g * r + f1 * h, N / 2 * (r**2 - h**2), (f2 + N) / 2 * h**2]
    equal(f + f1 * h + f2 / 2 * h**2, excess + sum(terms))
    f1, h, r, g = z3().Reals("f1 h r g")
    entails([-r <= h, h <= r, -g <= f1, f1 <= g], -g * r <= f1 * h)


@step
def values_at_the_ends_do_not_decide():
    """f = t((t − 3/4)² − 1/64) is positive at 1/2 and at 1, and negative at 3/4."""
    f = T * ((T - Rational(3, 4)) ** 2 - Rational(1, 64))
    values = [f.subs(T, Rational(k, 4)) for k in range(2, 5)]
    equal(values, [Rational(3, 128), -Rational(3, 256), Rational(3, 64)])


@step
def products_and_compositions():
    """(ab)_k = Σ a_i b_{k−i}; F(z(t)) has F_1z_1, F_1z_2 + F_2z_1², F_1z_3 + 2F_2z_1z_2 + F_3z_1³; all undefined."""
    a, b, F, z = (Function(name) for name in "abFz")
    left, right, product = (_jet(each, T) for each in (a(T), b(T), a(T) * b(T)))
    equal(product, [sum(left[i] * right[k - i] for i in range(k + 1)) for k in range(4)])
    f, inner = [each.subs(Z, z(T)) for each in _jet(F(Z), Z)], _jet(z(T), T)
    composed = [
        f[0],
        f[1] * inner[1],
        f[1] * inner[2] + f[2] * inner[1] ** 2,
        f[1] * inner[3] + 2 * f[2] * inner[1] * inner[2] + f[3] * inner[1] ** 3,
    ]
    equal(_jet(F(z(T)), T), composed)


@step
def tables():
    """F⁽ᵏ⁾(z)/k!, k = 0..3, of tanh, gelu and its inner cubic, sin, exp, log, 1/z and z^(−1/2), in closed form."""
    t, r = tanh(Z), 1 / sqrt(Z)
    s = 1 - t**2
    slopes = [s, -t * s, s * (2 - 3 * s) / 3]
    density, law = exp(-(Z**2) / 2) / sqrt(2 * pi), (1 + erf(Z / sqrt(2))) / 2
    c, a = symbols("c a")
    for function, table in (
        (t, [t, *slopes]),
        (Z * law, [Z * law, law + Z * density, density * (2 - Z**2) / 2, density * Z * (Z**2 - 4) / 6]),
        (c * Z * (1 + a * Z**2), [c * Z * (1 + a * Z**2), c * (1 + 3 * a * Z**2), 3 * c * a * Z, c * a]),
        (sin(Z), [sin(Z), cos(Z), -sin(Z) / 2, -cos(Z) / 6]),
        (exp(Z), [exp(Z), exp(Z), exp(Z) / 2, exp(Z) / 6]),
        (log(Z), [log(Z), 1 / Z, -1 / (2 * Z**2), 1 / (3 * Z**3)]),
        (1 / Z, [1 / Z, -1 / Z**2, 1 / Z**3, -1 / Z**4]),
        (r, [r, -(r**3) / 2, 3 * r**5 / 8, -5 * r**7 / 16]),
    ):
        equal(_jet(function, Z), table)


@step
def sigmoid_and_softplus():
    """σ = (1 + tanh(z/2))/2 has tanh_k(z/2)/2^(k+1), and softplus rises with derivative σ > 0."""
    half = [each.subs(Z, Z / 2) for each in _jet(tanh(Z), Z)]
    sigmoid = (1 + tanh(Z / 2)) / 2
    equal(_jet(sigmoid, Z), [sigmoid, *(half[k] / 2 ** (k + 1) for k in range(1, 4))])
    slope = diff(log(1 + exp(Z)), Z)
    equal(sigmoid.rewrite(exp), slope)
    positive(slope)


@step
def softmax_and_log_likelihood():
    """softmax(z)_i = e_i/(1 + Σ_{j≠m} e_j), e_i = exp(z_i − z_m); Σ exp(z_j − z_m) = 1/softmax(z)_m."""
    for n in range(2, 5):
        z = symbols(f"z:{n}", real=True)
        softmax = [exp(each) / sum(map(exp, z)) for each in z]
        shifted = [exp(each - z[0]) for each in z[1:]]
        share = 1 / (1 + sum(shifted))
        equal(softmax, [share, *(each * share for each in shifted)])
        equal(sum(exp(each - z[0]) for each in z), 1 / softmax[0])
