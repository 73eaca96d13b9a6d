"""The sign of a student of N sampled labels depends on N · KL(teacher ‖ init) alone.

Statement. Let p_ε be the teacher's law, s_i the derivative of log p_ε(i) at ε = 0, q = Var_{p0}(s), and D̂ the alignment
of one step on N labels drawn from p_ε. Then to leading order

    E D̂ = εq,   Var D̂ = q/N,   2N KL(p_ε ‖ p0) = 2N KL(p0 ‖ p_ε) = ε²Nq,

with the same q, so the standardised mean is ε√(Nq) = √(2N KL), and P(D̂ > 0) → Φ(√(2N KL)) by the central limit
theorem. With H the Hessian of L_T at θ0, −∇L_T = Δ, and student's rate α, to second order in α

    E ΔL_T = −αεq + (α²/2)(ε² ΔᵀGHGΔ + tr(HG)/N),

least at α* = εq/V, V the bracket, where it is −(εq)²/(2V); L_T falls on average only for α < 2α*.

Assumptions. Shared initialisation, independent labels, cross-entropy, log-probabilities twice differentiable along Δ.

Proof. D̂ is the mean of N draws of s, with mean Σ p_ε s and variance Var(s)/N. Σ p0 s = 0 and (Σ p_ε s)′ = Σ p0 s² = q.
KL vanishes with its slope at ε = 0, and its second derivative is q. For the mean ĝ of N draws of the full score,
E ĝᵀHĝ = mᵀHm + tr(HF)/N with m = εGΔ and F = G to leading order.

Source. Derived here; sampled tokens are one of the deviations that arXiv 2507.14805 lists.
"""

from itertools import product

from sympy import Function, Matrix, Symbol, diff, log, prod, solve, sqrt, symbols

from subtheory.proof import equal, positive, step

CLAIMS = ("sampled-sign-follows-kl", "sampling-taxes-the-trait")
PLANNED = ()
USES = ("gauss_newton_form",)
COQ = ()
SCOPE = "n = 2..4 outcomes as undefined functions of ε; N = 1..3 draws of 2 outcomes; the prose holds for all n and N"
NOT_COVERED = "the error of the central limit theorem at small N, and labels that depend on each other"

T = Symbol("t", real=True)
"""ε; where an identity in the functions of t is asserted, t = 0 is meant."""


def _law(n):
    """n undefined probabilities that sum to 1."""
    free = [Function(f"p{i}", real=True)(T) for i in range(n - 1)]
    return [*free, 1 - sum(free)]


def _mean(law, values):
    """Σ law_i values_i."""
    return sum(p * value for p, value in zip(law, values, strict=True))


def _letters(value):
    """The expression with letters for the undefined functions and for their derivatives."""
    functions = value.atoms(Function)
    for order in (2, 1, 0):
        value = value.subs({diff(p, T, order): Symbol(f"{p.func}_{order}") for p in functions})
    return value


def _expected(law, values, draws, statistic):
    """E of a statistic of the mean of some independent draws from the values, by listing them all."""
    every = product(zip(law, values, strict=True), repeat=draws)
    terms = [(prod(p for p, _ in drawn), sum((v for _, v in drawn[1:]), drawn[0][1]) / draws) for drawn in every]
    return sum(weight * statistic(average) for weight, average in terms)


@step
def mean():
    """E D̂ = Σ p_ε s is 0 at ε = 0, and its slope there is q = Σ p s² = Var(s)."""
    for n in range(2, 5):
        p = _law(n)
        s = [diff(log(each), T) for each in p]
        equal(_letters(_mean(p, s)), 0)
        slope = _mean([diff(each, T) for each in p], s)
        equal(_letters(slope), _letters(_mean(p, [each**2 for each in s])))


@step
def variance():
    """Var D̂ = (Σ p s² − (Σ p s)²)/N for N = 1..3 draws."""
    p, s = Symbol("p", real=True), symbols("s:2", real=True)
    law = [p, 1 - p]
    for draws in range(1, 4):
        square = _expected(law, s, draws, lambda average: average**2)
        equal(_expected(law, s, draws, lambda average: average), _mean(law, s))
        equal(square - _mean(law, s) ** 2, (_mean(law, [each**2 for each in s]) - _mean(law, s) ** 2) / draws)


@step
def divergence():
    """KL(p_ε ‖ p0) and KL(p0 ‖ p_ε) vanish at ε = 0 with their slopes, and have the second derivative q."""
    for n in range(2, 5):
        p, base = _law(n), symbols(f"a:{n}", real=True)
        start = dict(zip(base, p, strict=True))
        q = _mean(p, [diff(log(each), T) ** 2 for each in p])
        forward = sum(each * log(each / a) for each, a in zip(p, base, strict=True))
        reverse = sum(a * log(a / each) for each, a in zip(p, base, strict=True))
        for KL in forward, reverse:
            equal([_letters(diff(KL, T, order).subs(start)) for order in range(3)], [0, 0, _letters(q)])


@step
def standardised():
    """εq/√(q/N) = ε√(Nq) = √(2N · ε²q/2)."""
    q, N, eps = symbols("q N epsilon", positive=True)
    equal(eps * q / sqrt(q / N), eps * sqrt(N * q))
    equal(eps * q / sqrt(q / N), sqrt(2 * N * (eps**2 * q / 2)))


@step
def second_order():
    """E ĝᵀHĝ = mᵀHm + tr(HF)/N for the mean of N = 1, 2 draws of a score with mean m and covariance F."""
    p, H = Symbol("p", real=True), Matrix(2, 2, symbols("H:4", real=True))
    a, b = (Matrix(symbols(f"{name}:2", real=True)) for name in "ab")
    m = p * a + (1 - p) * b
    F = p * a * a.T + (1 - p) * b * b.T - m * m.T
    for draws in range(1, 3):
        form = _expected([p, 1 - p], [a, b], draws, lambda average: average.dot(H * average))
        equal(form, m.dot(H * m) + (H * F).trace() / draws)


@step
def best_rate():
    """−αεq + α²V/2 is least at α* = εq/V, where it is −(εq)²/(2V), and returns to 0 at 2α*."""
    q, V, eps, alpha = symbols("q V epsilon alpha", positive=True)
    change = -alpha * eps * q + alpha**2 / 2 * V
    best = eps * q / V
    equal(solve(diff(change, alpha), alpha), [best])
    equal(change.subs(alpha, best), -((eps * q) ** 2) / (2 * V))
    positive(diff(change, alpha, 2))
    equal(solve(change, alpha), [2 * best])


@step
def dose():
    """V = ε²a + b/N: the best gain is Nε²q²/(2(Nε²a + b)); at a fixed α nothing falls below N = αb/(ε(2q − αεa))."""
    q, N, eps, alpha, a, b = symbols("q N epsilon alpha a b", positive=True)
    V = eps**2 * a + b / N
    equal((eps * q) ** 2 / (2 * V), N * eps**2 * q**2 / (2 * (N * eps**2 * a + b)))
    change = -alpha * eps * q + alpha**2 / 2 * V
    equal(solve(change, N), [alpha * b / (eps * (2 * q - alpha * eps * a))])
