"""What a generation keeps of the one before never falls along a chain through one channel.

Statement. Every generation starts at θ0, takes s steps of rate α on the outputs of the one before, on the same inputs.
Of the mode λ of the channel's matrix it keeps the share a = 1 − (1 − αλ)ˢ, so the trait of generation k is a moment

    r_k = Σ c_i a_iᵏ,   c_i ≥ 0 the square of Δ along mode i,   0 ≤ a_i ≤ 1 for αλ_i ≤ 1,

and the retention ρ_k = r_{k+1}/r_k never falls. It is at most the largest a_i, which it tends to.

Assumptions. One channel, every student starts at θ0, displacements so small that the losses are quadratic; the trait
is read along the teacher's own direction. Not needed: equal factors, a spectrum without zeros, convergence.

Proof. r_k r_{k+2} − r_{k+1}² = Σ_{i<j} c_i c_j (a_i a_j)ᵏ (a_i − a_j)² ≥ 0, and A r_k − r_{k+1} = Σ c_i a_iᵏ (A − a_i).
If the trait is read along another direction, c_i < 0 is possible: c = (2, −1) and a = (1, ½) have ρ = 3/2, 7/6.
Students that continue where the one before ended keep 1 − (1 − a)ᵏ of a mode, so ρ = 3/2, 7/6 again for a = ½, k ≥ 1.
Through other inputs in the second generation there are no moments: r = 1, ½, −1/10 for projectors onto (1, 1) and
(1, −2).

Source. Derived here; Coq, Retention. The retention that arXiv 2609.25721 reports of language models rises.
"""

from sympy import Matrix, Rational, Symbol, symbols

from subtheory.proof import equal, negative, nonnegative, positive, step

CLAIMS = ("retention-never-falls",)
USES = ("generations",)
COQ = (
    "Retention.moments_log_convex",
    "Retention.retention_never_falls",
    "Retention.retention_at_most",
    "Retention.retention_tends_to_the_largest",
    "Retention.mode_factor",
    "Retention.one_step_retention_never_falls",
)
SCOPE = "n = 1..4 modes, k = 0..4 and s = 1..5 here; all of them in Coq"
NOT_COVERED = "displacements beyond the quadratic form, and labels that are drawn"


def _moment(c, a, k):
    """r_k."""
    return sum(each * factor**k for each, factor in zip(c, a, strict=True))


def _falls(first, second, third):
    """Whether r_{k+1}/r_k falls, for r > 0."""
    negative(first * third - second**2)


@step
def moments_are_log_convex():
    """r_k r_{k+2} − r_{k+1}² = Σ_{i<j} c_i c_j (a_i a_j)ᵏ (a_i − a_j)² ≥ 0."""
    for n in range(1, 5):
        c, a = symbols(f"c:{n}", nonnegative=True), symbols(f"a:{n}", nonnegative=True)
        for k in range(5):
            pairs = [c[i] * c[j] * (a[i] * a[j]) ** k * (a[i] - a[j]) ** 2 for i in range(n) for j in range(i + 1, n)]
            equal(_moment(c, a, k) * _moment(c, a, k + 2) - _moment(c, a, k + 1) ** 2, sum(pairs))
            for pair in pairs:
                nonnegative(pair)


@step
def at_most_the_largest_factor():
    """A r_k − r_{k+1} = Σ c_i a_iᵏ (A − a_i) ≥ 0 for a_i = A − h_i; equal where every h is 0."""
    for n in range(1, 5):
        c, a, h = (symbols(f"{name}:{n}", nonnegative=True) for name in "cah")
        for k in range(5):
            most = [factor + gap for factor, gap in zip(a, h, strict=True)]
            rest = [A * each * x**k - each * x ** (k + 1) for A, each, x in zip(most, c, a, strict=True)]
            equal(sum(rest), sum(each * x**k * gap for each, x, gap in zip(c, a, h, strict=True)))
            for term in rest:
                nonnegative(term)


@step
def factors_lie_between_0_and_1():
    """a = 1 − (1 − x)ˢ for x = αλ = 1/(1 + h), h ≥ 0: 0 < a ≤ 1."""
    h = Symbol("h", nonnegative=True)
    for s in range(1, 6):
        a = 1 - (1 - 1 / (1 + h)) ** s
        positive(a)
        nonnegative(1 - a)


@step
def another_direction_can_make_it_fall():
    """c = (2, −1), a = (1, ½): r = 1, 3/2, 7/4, and 1 · 7/4 < (3/2)²."""
    r = [_moment((2, -1), (1, Rational(1, 2)), k) for k in range(3)]
    equal(r, [1, Rational(3, 2), Rational(7, 4)])
    _falls(*r)


@step
def continued_students_make_it_fall():
    """1 − (1 − a)ᵏ for k = 1, 2, 3: log-concave, (1 − a)ᵏ⁻¹a² below 0; a = ½: ½, ¾, 7/8."""
    h = Symbol("h", positive=True)
    a = 1 / (1 + h)
    for k in range(1, 5):
        r = [1 - (1 - a) ** (k + i) for i in range(3)]
        equal(r[0] * r[2] - r[1] ** 2, -((1 - a) ** k) * a**2)
        _falls(*r)


@step
def other_inputs_make_it_fall():
    """Projectors onto (1, 1), then (1, −2), Δ = (1, 0): r = 1, ½, −1/10."""
    first, second, Delta = Matrix([1, 1]), Matrix([1, -2]), Matrix([1, 0])
    Pi = [each * each.T / each.dot(each) for each in (first, second)]
    r = [1, Delta.dot(Pi[0] * Delta), Delta.dot(Pi[1] * Pi[0] * Delta)]
    equal(r, [1, Rational(1, 2), -Rational(1, 10)])
    _falls(*r)
