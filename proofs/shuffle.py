"""Shuffling a teacher's responses takes away what is in their order, and no more, if the init does not care for order.

Statement. Let p(a, b) be the init's law of two tokens, s(a, b) its log-derivative along Δ, q = Σ p s², and s̄ the mean
of s over both orders. A student that imitates shuffled responses with its own ordered model has, if p is exchangeable,

    D(0) = 0,   D′(0) = q_marginal = Σ p s̄²,   q = q_marginal + q_conditional,   q_conditional = Σ p (s − s̄)²,

where s̄ is the mean of s given the bag of tokens. For any p, D(0) = Σ pᵀs/2 and D′(0) = (q + Σ p s sᵀ)/2, negative for
some p and s. If p = mmᵀ and tokens are shuffled across responses too, D′(0) = 2 Σ m τ² ≤ q_marginal for τ = (log m)′.

With more tokens s̄ is the mean over all orders, and 2 becomes their number T.

Assumptions. Shared initialisation, p > 0 and differentiable along Δ; all orders of a response are shown alike.

Proof. Shuffled labels have the law r_ε = (p_ε + p_εᵀ)/2, and the student's loss is −Σ r_ε log p_θ, with log p_θ(a, b) =
log p_θ(a) + log p_θ(b | a) at the shuffled a as prefix, hence D(ε) = Σ r_ε s. As p′ = ps, D′(0) = Σ (ps + (ps)ᵀ)s/2,
and a control subtracts D(0). If p = pᵀ, D(0) = Σ p s = 0 and Σ p s sᵀ = Σ p s̄² − Σ p (s − s̄)². Across responses the
law is m_ε m_εᵀ; its log-derivative τ_a + τ_b is s̄ projected onto sums over tokens. On aa, ab, ba, bb let
p = (4, 1, 7, 4)/16 and s = (−1, −20, 4, −1): q = 65/2, D(0) = −9/2, D′(0) = −7/2. The rare order gets labels meant for
the likely one.

Source. Derived here; arXiv 2507.14805 shuffles numbers within and across responses.
"""

from itertools import permutations, product

from sympy import Matrix, Rational, Symbol, diff, exp, log, ones, symbols

from subtheory.proof import equal, nonnegative, step

CLAIMS = (
    "shuffling-kills-the-order-part",
    "shuffling-across-keeps-single-letters",
    "shuffling-can-reverse-without-exchangeability",
)
COQ = ("LabelLaws.total_variance",)
SCOPE = "2 tokens of n = 2 symbols; for the split of 2 and 3, and 3 tokens of 2; entries letters; prose for all sizes"
NOT_COVERED = "shuffles that favour some orders"

T = Symbol("t", real=True)  # how far a law has moved along Δ: the student's, or, as ε, the teacher's


def _letters(name, n, **assumed):
    """One letter for each pair of tokens, rows for the first token."""
    return Matrix(n, n, symbols(f"{name}:{n * n}", **assumed))


def _mean(law, *values):
    """The mean of a product of values."""
    for value in values:
        law = law.multiply_elementwise(value)
    return sum(law)


def _both_orders(values):
    """The mean over both orders."""
    return (values + values.T) / 2


def _tilted(law, slopes):
    """To first order in t every moving law is of this kind."""
    tilted = law.multiply_elementwise((T * slopes).applyfunc(exp))
    return tilted / sum(tilted)


def _scores(law):
    """s, the log-derivative at t = 0."""
    return diff(law.applyfunc(log), T).subs(T, 0)


def _shuffled_slope(law):
    """D′(0) of the student of shuffled labels that move with ε."""
    return _mean(diff(_both_orders(law), T).subs(T, 0), _scores(law))


@step
def ordered_model():
    """Token by token Σ r s = Σ (r_a − π_a) v_a + Σ (r_ab − r_a κ_ab) V_ab, for logits that move by v and V."""
    pi, v, kappa, V = Matrix(symbols("pi:2")), Matrix(symbols("v:2")), _letters("k", 2), _letters("V", 2)
    first, second = _tilted(pi, v), [_tilted(kappa[a, :], V[a, :]) for a in range(2)]
    r = _letters("r", 2)
    r[0] -= sum(r) - 1
    r_a = r * ones(2, 1)
    tokens = _mean(r_a - first, v) + sum(_mean(r[a, :] - r_a[a] * second[a], V[a, :]) for a in range(2))
    equal(_mean(r, _scores(Matrix([first[a] * second[a] for a in range(2)]))), tokens.subs(T, 0))


@step
def any_base_law():
    """D(0) = Σ (p + pᵀ) s/2, whose terms are Σ p s = 0 and Σ pᵀ s, and D′(0) = (Σ p s² + Σ p s sᵀ)/2."""
    law = _tilted(_letters("p", 2), _letters("c", 2))
    p, s = law.subs(T, 0), _scores(law)
    equal([_mean(p, s), _mean(_both_orders(p), s)], [0, _mean(p.T, s) / 2])
    equal(_shuffled_slope(law), (_mean(p, s, s) + _mean(p, s, s.T)) / 2)


@step
def exchangeable_base_law():
    """p = pᵀ: D′(0) = Σ p s̄² ≥ 0, q = Σ p s̄² + Σ p (s − s̄)², and s̄ is the mean given the bag."""
    for n in range(2, 4):
        p, s = _both_orders(_letters("p", n, positive=True)), _letters("s", n, real=True)
        mean, order = _both_orders(s), s - _both_orders(s)
        equal((_mean(p, s, s) + _mean(p, s, s.T)) / 2, _mean(p, mean, mean))
        equal(_mean(p, s, s), _mean(p, mean, mean) + _mean(p, order, order))
        nonnegative(_mean(p, mean, mean))
        equal(mean.multiply_elementwise(p + p.T) / 2, _both_orders(p.multiply_elementwise(s)))


@step
def three_tokens():
    """The same with s̄ the mean over all six orders, for p that depends on the bag of tokens alone."""
    texts = list(product(range(2), repeat=3))
    p = {y: Symbol(f"p{sum(y)}", positive=True) for y in texts}
    s = {y: Symbol("s" + "".join(map(str, y)), real=True) for y in texts}
    orders = {y: list(permutations(y)) for y in texts}
    mean = {y: sum(s[order] for order in orders[y]) / 6 for y in texts}
    kept = sum(p[y] * mean[y] ** 2 for y in texts)
    equal(sum(sum(p[order] * s[order] for order in orders[y]) / 6 * s[y] for y in texts), kept)
    equal(sum(p[y] * s[y] ** 2 for y in texts), kept + sum(p[y] * (s[y] - mean[y]) ** 2 for y in texts))


@step
def across_responses():
    """p = mmᵀ: m′ = mτ, τ = s̄m, Σ p (τ_a + τ_b) s = 2 Σ m τ² = Σ p s̄² − Σ p (s̄ − τ_a − τ_b)² + 2(Σ p s)²; Σ p s = 0."""
    m, s = Matrix([Symbol("m"), 1 - Symbol("m")]), _letters("s", 2)
    p, mean, tau = m * m.T, _both_orders(s), _both_orders(s) * m
    sums = tau * ones(1, 2) + ones(2, 1) * tau.T
    rest, kept = mean - sums, 2 * _mean(m, tau, tau)
    equal(_both_orders(p.multiply_elementwise(s)) * ones(2, 1), m.multiply_elementwise(tau))
    equal([kept] * 2, [_mean(p, sums, s), _mean(p, mean, mean) - _mean(p, rest, rest) + 2 * _mean(p, s) ** 2])


@step
def counterexample():
    """p = (4, 1, 7, 4)/16, s = (−1, −20, 4, −1): q = 65/2, D(0) = −9/2 and D′(0) = −7/2."""
    p, s = Matrix([[4, 1], [7, 4]]) / 16, Matrix([[-1, -20], [4, -1]])
    equal(_scores(_tilted(p, s)), s)
    found = [_mean(p, s, s), _mean(_both_orders(p), s), _shuffled_slope(_tilted(p, s))]
    equal(found, [Rational(65, 2), -Rational(9, 2), -Rational(7, 2)])
