"""What decides whether a student inherits decides as well whether an optimal detector sees it.

Statement. Let a detector know the laws p_ε of the teacher and p0 of the init, and take the log-likelihood ratio of N
independent outputs. To leading order its mean shifts by Nε²q, its variance is Nε²q, and its deflection is

    d = ε√(Nq) = √(2N KL(p_ε ‖ p0)),   AUROC = Φ(d/√2) = Φ(√(N KL)),

the number that fixes the sign of a student of N sampled labels. A detector that sees only a statistic of each output
has the q′ ≤ q of that statistic, and if the statistic's law does not change it has 0, however large q is: labels of the
law p_ε(i | T) p0(T) have

    KL* = KL − KL_T,

and move a student, which hears all of s, with the deflection √(2N) KL*/√KL; its labels' optimal test has √(2N KL*).

Assumptions. p_ε twice differentiable in ε and p0 > 0; the normal limit for Φ.

Proof. With L = log(p_ε/p0), E_ε L − E_0 L = Σ (p_ε − p0) L, a product of two terms of order ε, p0 s and s. Var_0(L) is
ε² Var(s). AUROC is the probability that one of two normals that are d apart is the larger: their difference has the
variance 2. A sum of N scores w of mean 0 has the deflection
√N Cov(w, L)/√Var(w) to leading order, at most √(N Var(L)) by Cauchy and Schwarz; a student is the sum of w = s. With
L = ε(s − E[s | T]) for the labels p_ε(i | T) p0(T) that is √N ε E Var(s | T)/√q, and q − Var(E[s | T]) is
E Var(s | T), twice KL* over ε². For two fair bits whose parity alone is tilted, s = ±1, q = 1, and each bit stays fair.

Source. Derived here; data_processing has q′ ≤ q.
"""

from sympy import Function, Rational, Symbol, diff, log, sqrt, symbols

from subtheory.proof import equal, step

CLAIMS = ("transfer-and-detection-share-one-boundary", "statistics-can-see-nothing")
PLANNED = ()
USES = ("sampled_labels",)
COQ = ()
SCOPE = "n = 2..3 outcomes as undefined functions of ε, 4 in 2 classes for matched ones; the prose holds for all n"
NOT_COVERED = "detectors that do not know one of the two models, and small N"

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


@step
def shift_and_variance():
    """Σ (p_ε − p0) L and E_0 L² are 0 at ε = 0 with their slopes, with second derivative 2q; E_0 L is of order ε²."""
    for n in range(2, 4):
        p, base = _law(n), symbols(f"a:{n}", real=True)
        start = dict(zip(base, p, strict=True))
        ratio = [log(each / a) for each, a in zip(p, base, strict=True)]
        q = _letters(_mean(p, [diff(log(each), T) ** 2 for each in p]))
        shift = _mean(p, ratio) - _mean(base, ratio)
        square = _mean(base, [each**2 for each in ratio])
        equal([_letters(diff(_mean(base, ratio), T, order).subs(start)) for order in range(2)], [0, 0])
        for value in shift, square:
            equal([_letters(diff(value, T, order).subs(start)) for order in range(3)], [0, 0, 2 * q])


@step
def deflection():
    """Nε²q/√(Nε²q) = ε√(Nq) = √(2N · ε²q/2), and over √2 it is √(N · ε²q/2)."""
    N, q, eps = symbols("N q epsilon", positive=True)
    KL = eps**2 * q / 2
    d = N * eps**2 * q / sqrt(N * eps**2 * q)
    equal(d, eps * sqrt(N * q))
    equal(d, sqrt(2 * N * KL))
    equal(d / sqrt(2), sqrt(N * KL))


@step
def parity():
    """Two bits of law (1 ± ε)/4, + for equal bits: s = ±1 and q = 1, while the law of either bit is (1/2, 1/2)."""
    p = [(1 + T) / 4, (1 - T) / 4, (1 - T) / 4, (1 + T) / 4]
    s = [diff(log(each), T).subs(T, 0) for each in p]
    equal(s, [1, -1, -1, 1])
    equal(_mean(p, [each**2 for each in s]), 1)
    halves = [p[0] + p[1], p[2] + p[3], p[0] + p[2], p[1] + p[3]]
    equal(halves, [Rational(1, 2)] * 4)


@step
def matched():
    """Of 4 outcomes in 2 classes, r = p_ε(i | c) p0(c): r(c) = p0(c), r′ = p0 (s − E[s | c]), Σ r′²/p0 = q − q_c.

    Then D′ = Σ r′ s = q − q_c as well: N labels have the deflection √N ε(q − q_c)/√q = √(2N) KL*/√KL.
    """
    p, base = _law(4), symbols("a:4", real=True)
    start = dict(zip(base, p, strict=True))
    s = [diff(log(each), T) for each in p]
    classes = [p[0] + p[1]] * 2 + [p[2] + p[3]] * 2
    before = [base[0] + base[1]] * 2 + [base[2] + base[3]] * 2
    mean = [diff(log(each), T) for each in classes]
    r = [each * old / new for each, old, new in zip(p, before, classes, strict=True)]
    equal([r[0] + r[1], r[2] + r[3]], [before[0], before[2]])
    moved = [diff(each, T).subs(start) - old * (own - common)
             for each, old, own, common in zip(r, p, s, mean, strict=True)]  # fmt: skip
    equal([_letters(each) for each in moved], [0] * 4)
    q, q_c = (_mean(p, [each**2 for each in values]) for values in (s, mean))
    equal(_letters(_mean([diff(each, T).subs(start) for each in r], s)), _letters(q - q_c))
    form = sum(diff(each, T).subs(start) ** 2 / own for each, own in zip(r, p, strict=True))
    equal(_letters(form), _letters(q - q_c))
    N, full, part, eps = symbols("N q q_c epsilon", positive=True)
    rest, whole = eps**2 * (full - part) / 2, eps**2 * full / 2
    equal(sqrt(N) * eps * (full - part) / sqrt(full), sqrt(2 * N) * rest / sqrt(whole))
