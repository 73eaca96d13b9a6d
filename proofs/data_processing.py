"""Post-processing that the student models keeps the sign and shrinks the form; one that it does not model can flip it.

Statement. Let labels i of law p pass through a channel K(b | i), the student fit the law r(b) = Σ K(b | i) p(i) of what
comes out, and s_i, S_b be the derivatives of log p(i) and log r(b) along Δ. Then S_b = E[s | b] and

    ΔᵀG′Δ = Var_r(S) ≥ 0,   ΔᵀGΔ − ΔᵀG′Δ = Σ K(b | i) p(i) (s_i − S_b)² ≥ 0   for every Δ, so G′ ⪯ G.

A student that takes the output π(i) of a permutation for a label itself has D′(0) = Σ p_i s_i s_π(i), of any sign.

Assumptions. Shared initialisation, K fixed (a function of the label is the case K ∈ {0, 1}), r(b) > 0.

Proof. r′(b) = Σ K p s, so S_b = Σ K p s / r(b), the mean of s given b. The law of total variance is the second line.
For p uniform on two outcomes, s = (1, −1) and the swap, D′(0) = −1 against q = 1.

Source. Derived here; data processing for Fisher information is classical.
"""

from sympy import Function, Rational, Symbol, diff, log, symbols

from subtheory.proof import equal, nonnegative, step

CLAIMS = (
    "modelled-post-processing-keeps-the-sign",
    "re-encoded-outputs-align-by-permuted-scores",
    "unmodelled-re-encoding-can-reverse",
)
COQ = ("LabelLaws.total_variance",)
SCOPE = "n = 2, 3 labels and a channel of 2 outcomes, all entries of K letters; total variance for all sizes in Coq"
NOT_COVERED = "channels that depend on ε, as a filter by the teacher's own probabilities does"


T = Symbol("t", real=True)
"""ε; where an identity in the functions of t is asserted, t = 0 is meant."""


def _law(n):
    """n undefined laws that sum to 1, as functions of ε."""
    free = [Function(f"p{i}", real=True)(T) for i in range(n - 1)]
    return [*free, 1 - sum(free)]


def _scores(law):
    """The derivative of each log-probability."""
    return [diff(log(p), T) for p in law]


def _mean(law, values):
    """Σ law_i values_i."""
    return sum(p * value for p, value in zip(law, values, strict=True))


def _letters(value):
    """The expression with letters for the undefined functions and for their derivatives."""
    functions = value.atoms(Function)
    slopes = {diff(p, T): Symbol(f"D{p.func}") for p in functions}
    return value.subs(slopes).subs({p: Symbol(str(p.func)) for p in functions})


@step
def score_of_what_comes_out():
    """S_b = Σ K p s / r(b): the mean of s given b."""
    for n in range(2, 4):
        p = _law(n)
        K = symbols(f"K:{n}", real=True)
        joint = [each * weight for each, weight in zip(K, p, strict=True)]
        equal(_letters(_scores([_mean(K, p)])[0]), _letters(_mean(joint, _scores(p)) / sum(joint)))


@step
def total_variance():
    """q − q′ = Σ K p (s − S)² ≥ 0 with q = Σ p s² and q′ = Σ r S², the joint law K(b | i) p_i in letters."""
    for n in range(2, 4):
        s, joint = symbols(f"s:{n}", real=True), [symbols(f"{name}:{n}", positive=True) for name in "ab"]
        S = [_mean(part, s) / sum(part) for part in joint]
        q = sum(_mean(part, [each**2 for each in s]) for part in joint)
        kept = sum(sum(part) * mean**2 for part, mean in zip(joint, S, strict=True))
        lost = sum(_mean(part, [(each - mean) ** 2 for each in s]) for part, mean in zip(joint, S, strict=True))
        equal(q - kept, lost)
        nonnegative(lost)
        nonnegative(kept)


@step
def unmodelled_permutation():
    """p uniform on two, s = (1, −1) and the swap: Σ p_i s_i s_π(i) = −1 = −q; D(0) = 0, so no control would help."""
    t, half = T, Rational(1, 2)
    p = [half + half * t, half - half * t]
    s = [each.subs(t, 0) for each in _scores(p)]
    equal(s, [1, -1])
    D = _mean(p, s[::-1])
    equal([D.subs(t, 0), diff(D, t)], [0, -1])
    equal(diff(_mean(p, s), t), 1)
