"""The smallest probability over several sources keeps of one carrier what it lowers, and never turns it round.

Statement. Let labels be drawn in proportion to the minimum over sources of their probabilities, where one source
carries, p_ε, and the others are clean, p0. With s₋ = max(0, −s) of the scores s, to leading order it has the mass
1 − εE[s₋], and

    D(ε) = εE[s₋²],   0 < E[s₋²] < q = E[s₋²] + E[s₊²]   unless s = 0.

So a residue stays, half of q if s and −s are alike in law, and for p_ε = (1 + εs)p0 D = εE[s₋²]/(1 − εE[s₋]) for every
ε > 0. Of the minimum of logits z + min(0, εu) there stays Cov_p(u, min(0, u)) ≥ 0 instead, which depends on a constant
that is added to the carrier's logits: all of q where it makes u < 0, nothing where it makes u > 0.

Assumptions. Shared initialisation of carrier and student, clean sources that are the init, probabilities differentiable
along Δ, the minimum normalised again.

Proof. min(p0, p_ε) = p0 + min(0, p_ε − p0) has the relative slope g = min(0, s) = −s₋ to the right of ε = 0. Labels in
proportion to weights of relative slopes g have D(0) = Σ p0 s = 0 and D′(0) = Cov_p0(g, s), where gs = g². A covariance
is Σ p_i p_j (g_i − g_j)(u_i − u_j) over pairs, and min(0, ·) does not fall. As Σ p0 s = 0, some s_i < 0 unless s = 0.

Source. Derived here; arXiv 2607.23394 has minima over sources.
"""

from sympy import Max, Min, Rational, Symbol, diff, exp, log, symbols

from subtheory.proof import equal, nonnegative, positive, step

CLAIMS = ("minimum-over-sources-keeps-a-residue",)
USES = ("output_filter",)
COQ = ("LabelLaws.minimum_slope", "LabelLaws.reweighted_slope")
SCOPE = "1, 2 outcomes that rise and 1, 2 that fall, on a straight path, by sympy; every n and smooth path in Coq"
NOT_COVERED = "clean sources that differ from the init, and several carriers of unlike traits, whose signs are free"

EPS = Symbol("epsilon", positive=True)
SIZES = ((1, 1), (1, 2), (2, 1), (2, 2))
"""Outcomes that rise, and that fall."""


def _mean(law, values):
    """Σ law_i values_i."""
    return sum(p * value for p, value in zip(law, values, strict=True))


def _squares(values):
    return [each**2 for each in values]


def _carrier(rising, falling):
    """p0, and scores with Σ p0 s = 0: a mass flows to every outcome that rises from every one that falls."""
    weights = symbols(f"w:{rising + falling}", positive=True)
    p = [each / sum(weights) for each in weights]
    flows = [symbols(f"{name}:{falling}", positive=True) for name in ("a", "b")[:rising]]
    moved = [sum(flow) for flow in flows] + [-sum(flow[j] for flow in flows) for j in range(falling)]
    return p, [mass / each for mass, each in zip(moved, p, strict=True)]


def _minimum(p, moved):
    """min(p, p + moved) for every outcome."""
    return [each + Min(0, mass) for each, mass in zip(p, moved, strict=True)]


@step
def residue():
    """p_ε = (1 + εs)p0: mass 1 − εE[s₋], D = εE[s₋²]/mass; E[s₋²] and E[s₊²] = q − E[s₋²] are positive."""
    for sizes in SIZES:
        p, s = _carrier(*sizes)
        least = _minimum(p, [EPS * each * score for each, score in zip(p, s, strict=True)])
        low, high = [Max(0, -score) for score in s], [Max(0, score) for score in s]
        mass = 1 - EPS * _mean(p, low)
        equal(sum(least), mass)
        equal(_mean(least, s) / sum(least), EPS * _mean(p, _squares(low)) / mass)
        equal(_mean(p, _squares(s)) - _mean(p, _squares(low)), _mean(p, _squares(high)))
        for part in low, high:
            positive(_mean(p, _squares(part)))


@step
def a_quarter_of_it():
    """p0 = (1, 3)/4 and s = (3, −1): q = 3, E[s₋²] = 3/4 and E[s₋] = 3/4, and without a carrier D = Σ p0 s = 0."""
    p, s = [Rational(1, 4), Rational(3, 4)], [3, -1]
    low = [Max(0, -score) for score in s]
    equal([_mean(p, s), _mean(p, _squares(s))], [0, 3])
    equal([_mean(p, _squares(low)), _mean(p, low)], [Rational(3, 4)] * 2)


def _slope(p, u):
    """d/dε Σ softmax(log p + min(0, εu)) u at ε = 0."""
    moved = [each * exp(EPS * Min(0, slope)) for each, slope in zip(p, u, strict=True)]
    return diff(_mean(moved, u) / sum(moved), EPS).subs(EPS, 0)


@step
def minimum_of_logits():
    """The slope is Σ p_i p_j (g_i − g_j)(u_i − u_j) over pairs, none of them negative, g = min(0, u)."""
    for rising, falling in SIZES:
        p, _ = _carrier(rising, falling)
        u = [*symbols(f"c:{rising}", positive=True), *(-each for each in symbols(f"d:{falling}", positive=True))]
        g = [Min(0, each) for each in u]
        pairs = [p[i] * p[j] * (g[i] - g[j]) * (u[i] - u[j]) for j in range(len(u)) for i in range(j)]
        equal(_slope(p, u), sum(pairs))
        for each in pairs:
            nonnegative(each)


@step
def logits_have_a_free_constant():
    """The slope is 0 if the constant makes every u > 0, and Var_p(u) if it makes every u < 0; s does not see it."""
    c = Symbol("c", real=True)
    for n in range(2, 4):
        p, _ = _carrier(1, n - 1)
        u = symbols(f"c:{n}", positive=True)
        equal([_slope(p, u), _slope(p, [-each for each in u])], [0, _mean(p, _squares(u)) - _mean(p, u) ** 2])
        moved = [each * exp(EPS * (slope + c)) for each, slope in zip(p, u, strict=True)]
        s = [diff(log(each / sum(moved)), EPS).subs(EPS, 0) for each in moved]
        equal(s, [slope - _mean(p, u) for slope in u])
