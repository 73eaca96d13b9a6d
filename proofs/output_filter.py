"""Filtering the teacher's outputs adds a constant to the alignment; against a control the trait part stays nonnegative.

Statement. Let p_ε be the teacher's law over n outcomes, s_i = d log p_ε(i)/dε at ε = 0, and q = Var_{p0}(s). Labels
that are drawn from p_ε and kept if they lie in an accept set S give

    D(0) = d log p_ε(S)/dε,   [D(ε) − D(0)]/ε → Var_{p0|S}(s) ≥ 0.

So raw D(ε)/ε diverges unless D(0) = 0, and raw D can be negative for every ε. Keeping label i with a probability
proportional to p_ε(i)^a p0(i)^b gives D(0) = E_r s and the slope (1 + a) Var_r(s), r proportional to p0^(1+a+b). For
(p0(i)/p_ε(i))^λ that is D(0) = 0 and (1 − λ)q, which is negative for λ > 1. Weights on inputs leave D(0) = 0 and give
the mean of q over the kept inputs.

Assumptions. Shared initialisation, log-probabilities differentiable along Δ, an accept set that does not depend on ε.

Proof. The student of labels from r_ε has D(ε) = Σ r_ε(i) s_i, for s_i = Δ · ∇log p(i). For r_ε = p_ε/p_ε(S) on S,
r' = r (s − Σ_S r s), so D'(0) = Σ_S r s² − (Σ_S r s)². The law in proportion to p_ε^(1+a) p0^b has at 0
r' = (1 + a) r (s − Σ r s).

Source. Derived here; arXiv 2507.14805 has filtered numbers, and regular numbers for their control.
"""

from sympy import Function, Symbol, diff, exp, log, symbols

from subtheory.proof import equal, nonnegative, step

CLAIMS = (
    "filtered-outputs-align-against-a-control",
    "raw-alignment-diverges-through-a-filter",
    "thinning-by-the-ratio-reverses-alignment",
    "filter-by-the-teachers-score-scales-the-slope",
)
COQ = ("LabelLaws.filter_slope", "LabelLaws.thinning_slope", "LabelLaws.reweighted_slope")
SCOPE = "n = 2..4 outcomes, probabilities as undefined functions of ε, by sympy; every n, accept set and λ in Coq"
NOT_COVERED = "filters that depend on the teacher, but for rates that are powers of its probabilities"

T = Symbol("t", real=True)
"""ε; where an identity in the functions of t is asserted, t = 0 is meant."""


def _law(n, name="p"):
    """n undefined probabilities that sum to 1."""
    free = [Function(f"{name}{i}", real=True)(T) for i in range(n - 1)]
    return [*free, 1 - sum(free)]


def _normal(weights):
    """Probabilities in proportion to some weights."""
    return [each / sum(weights) for each in weights]


def _mean(law, values):
    """Σ law_i values_i."""
    return sum(p * value for p, value in zip(law, values, strict=True))


def _variance(law, values):
    """Σ law_i (values_i − mean)²."""
    return _mean(law, [(value - _mean(law, values)) ** 2 for value in values])


def _scores(law):
    """s_i, the derivative of each log-probability."""
    return [diff(log(p), T) for p in law]


def _slope(labels, law):
    """D′ of a student of some labels: Σ r′ s, the scores staying at ε = 0."""
    return _mean([diff(r, T) for r in labels], _scores(law))


def _letters(value):
    """The expression with letters for the undefined functions and for their derivatives."""
    functions = value.atoms(Function)
    slopes = {diff(p, T): Symbol(f"D{p.func}") for p in functions}
    return value.subs(slopes).subs({p: Symbol(str(p.func)) for p in functions})


@step
def accept_set():
    """D(0) = d log p(S)/dε, and D′(0) = Var_{p0|S}(s); what lies outside S never enters."""
    for n in range(2, 5):
        for accepted in _law(n), _law(n)[:-1]:
            kept, s = _normal(accepted), _scores(accepted)
            equal(_letters(_mean(kept, s)), _letters(diff(log(sum(accepted)), T)))
            equal(_letters(_slope(kept, accepted)), _letters(_variance(kept, s)))


@step
def variance_is_nonnegative():
    """For weights W > 0 the variance of s is Σ W_i W_j (s_i − s_j)² / (Σ W)², over the pairs i < j."""
    for m in range(1, 5):
        W, s = symbols(f"W:{m}", positive=True), symbols(f"s:{m}", real=True)
        pairs = sum(W[i] * W[j] * (s[i] - s[j]) ** 2 for j in range(m) for i in range(j)) / sum(W) ** 2
        equal(_variance(_normal(W), s), pairs)
        nonnegative(pairs)


@step
def raw_alignment_can_be_negative():
    """p0 uniform on three, logits ε(3, 1, −1), S the last two: D(0) = −1, D′(0) = 1; S the last alone: D = −2."""
    p = _normal([exp(3 * T), exp(T), exp(-T)])
    s = [each.subs(T, 0) for each in _scores(p)]
    D = _mean(_normal(p[1:]), s[1:])
    equal([D.subs(T, 0), diff(D, T).subs(T, 0)], [-1, 1])
    equal(_mean(_normal(p[2:]), s[2:]), -2)


@step
def weighing():
    """Labels in proportion to p_ε^(1 + a) p0^b: D(0) = E_r s and D′(0) = (1 + a) Var_r(s), r ∝ p0^(1 + a + b)."""
    a, b = symbols("a b", real=True)
    for n in range(2, 4):
        p, base = _law(n), symbols(f"p0:{n}", real=True)
        start, s = dict(zip(base, p, strict=True)), _scores(p)
        kept = _normal([each ** (1 + a) * first**b for each, first in zip(p, base, strict=True)])
        r = _normal([each ** (1 + a) * each**b for each in p])
        equal(_letters(_mean(kept, s).subs(start)), _letters(_mean(r, s)))
        equal(_letters(_slope(kept, p).subs(start)), _letters((1 + a) * _variance(r, s)))


@step
def thinning():
    """Labels in proportion to p_ε (p0/p_ε)^λ: D(0) = 0 and D′(0) = (1 − λ)q, which is −q at λ = 2."""
    lamda = Symbol("lambda", real=True)
    for n in range(2, 5):
        p, base = _law(n), symbols(f"a:{n}", real=True)
        start = dict(zip(base, p, strict=True))
        kept = _normal([each * (a / each) ** lamda for each, a in zip(p, base, strict=True)])
        equal(_letters(_mean(kept, _scores(p)).subs(start)), 0)
        slope, q = _letters(_slope(kept, p).subs(start)), _letters(_variance(p, _scores(p)))
        equal(slope, (1 - lamda) * q)
        equal(slope.subs(lamda, 2), -q)


@step
def input_filter():
    """Weights w on two inputs: D(0) = 0 and D′(0) = Σ w_x q_x."""
    w = symbols("w:2", real=True)
    for n in range(2, 4):
        inputs = _law(n, "p"), _law(n, "r")
        equal(_letters(_mean(w, [_mean(p, _scores(p)) for p in inputs])), 0)
        slope = _mean(w, [_slope(p, p) for p in inputs])
        equal(_letters(slope), _letters(_mean(w, [_variance(p, _scores(p)) for p in inputs])))
