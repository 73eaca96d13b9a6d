"""Labels, rewards by a log-ratio and preferences as odds pull in one direction; verdicts and quantiles do not.

Statement. Let ℓ = log p_ε − log p0 be the log-ratio of teacher and init, with slope s at ε = 0, and F the Fisher matrix
E[∇log p0 ∇log p0ᵀ]. Along every direction v, with a = v · ∇log p0, the expected steps at θ0

    labels, full or drawn          Σ p_ε(i) a_i                                      ⟶  ε vᵀFΔ
    rewards ℓ of the init's draws  Σ p0(i) ℓ_i a_i                                   ⟶  ε vᵀFΔ
    preferences as odds, of pairs  Σ p0(i) p0(j) (σ(ℓ_i − ℓ_j) − ½)(a_i − a_j)       ⟶  ½ε vᵀFΔ

vanish at ε = 0 and have these slopes: unless FΔ = 0 the steps are cεFΔ + O(ε²), of cosines 1 − O(ε²) to each other.
Preferences by verdict, ½sgn(ℓ_i − ℓ_j), give along Δ ½E|s₁ − s₂| at order 0, and selection of a top quantile Q gives
E[s | Q]; of more than two outcomes neither is along FΔ in general.

Assumptions. Shared initialisation, one step in expectation, preferences about the init as reference with β = 1 (else β
times that), probabilities that are positive and differentiable along Δ.

Proof. ℓ has the slope s, σ the slope ¼ at 0, and Σ p0 a = 0 as the probabilities sum to 1. The reward's step is that of
KL(p_θ ‖ p_ε), and that of odds the step on labels of the law 2p0 E_j σ(ℓ − ℓ_j), the winner's of a pair.

Source. Derived here; preferences with a reference are those of arXiv 2305.18290.
"""

from sympy import Function, Rational, Symbol, diff, exp, log, sign, symbols

from subtheory.proof import equal, step

CLAIMS = ("channels-share-one-direction",)
COQ = ("LabelLaws.reweighted_slope",)
SCOPE = "n = 2, 3 labels of one input as undefined functions of ε by sympy; labels in proportion to weights in Coq"
NOT_COVERED = "second and later steps, and draws: a finite number of labels, rewards or pairs"

T, V = Symbol("t", real=True), Symbol("v", real=True)
"""ε, and how far the student has moved along v; where an identity is asserted, 0 is meant of both."""


def _law(n):
    """n undefined probabilities of the teacher that sum to 1."""
    free = [Function(f"p{i}", real=True)(T) for i in range(n - 1)]
    return [*free, 1 - sum(free)]


def _letters(value):
    """The expression at ε = 0, with letters for the undefined functions and for their derivatives."""
    functions = value.atoms(Function)
    value = value.subs({diff(p, T): Symbol(f"D{p.func}") for p in functions})
    return value.subs({p: Symbol(str(p.func), positive=True) for p in functions})


def _init(p):
    """p0 in letters."""
    return [_letters(each) for each in p]


def _scores(p):
    """s."""
    return [_letters(diff(log(each), T)) for each in p]


def _ratios(p):
    """ℓ."""
    return [log(each) - log(start) for each, start in zip(p, _init(p), strict=True)]


def _student(p):
    """a with Σ p0 a = 0."""
    *first, last = _init(p)
    free = symbols(f"a:{len(first)}", real=True)
    return [*free, -_mean(first, free) / last]


def _moved(p):
    """Laws of a student that has moved along v, with the scores a."""
    weights = [each * exp(V * a) for each, a in zip(_init(p), _student(p), strict=True)]
    return [each / sum(weights) for each in weights]


def _mean(law, values):
    """Σ law_i values_i."""
    return sum(p * value for p, value in zip(law, values, strict=True))


def _sigmoid(x):
    return 1 / (1 + exp(-x))


def _slopes(found):
    """`found` and its derivative, at ε = 0."""
    return [_letters(found), _letters(diff(found, T))]


def _form(p):
    """vᵀFΔ = Σ p0 s a."""
    return _mean(_init(p), [s * a for s, a in zip(_scores(p), _student(p), strict=True)])


def _at_start(loss):
    """How fast a loss falls along v, at θ0."""
    return -diff(loss, V).subs(V, 0)


@step
def labels():
    """−Σ p_ε log p falls along v by Σ p_ε a, each drawn label by its own a: 0 at ε = 0, and of slope vᵀFΔ."""
    for n in range(2, 4):
        p = _law(n)
        equal(sum(_moved(p)), 1)
        found = _at_start(-_mean(p, [log(each) for each in _moved(p)]))
        equal(found, _mean(p, _student(p)))
        equal(_slopes(found), [0, _form(p)])


@step
def rewards():
    """E_p0[ℓa] is how fast KL(p_θ ‖ p_ε) falls along v at θ0: 0 at ε = 0, and of slope vᵀFΔ."""
    for n in range(2, 4):
        p, model = _law(n), _moved(_law(n))
        found = _mean(_init(p), [ratio * a for ratio, a in zip(_ratios(p), _student(p), strict=True)])
        divergence = _mean(model, [log(each) - log(other) for each, other in zip(model, p, strict=True)])
        equal(_at_start(divergence), found)
        equal(_slopes(found), [0, _form(p)])


def _pairs(p, weigh):
    """Σ p0(i) p0(j) weigh(i, j)."""
    law, every = _init(p), range(len(p))
    return sum(law[i] * law[j] * weigh(i, j) for i in every for j in every)


@step
def preferences():
    """Σ p0 p0 σ(ℓ_i − ℓ_j)(a_i − a_j), without ½ as E(a_i − a_j) = 0: slope ½vᵀFΔ, and Σ r a of the winner's law r."""
    for n in range(2, 4):
        p = _law(n)
        a, ratio, law = _student(p), _ratios(p), _init(p)
        odds = [[_sigmoid(one - other) for other in ratio] for one in ratio]
        found = _pairs(p, lambda i, j: odds[i][j] * (a[i] - a[j]))  # noqa: B023
        equal(_slopes(found), [0, _form(p) / 2])
        winner = [2 * each * _mean(law, row) for each, row in zip(law, odds, strict=True)]
        equal(_slopes(sum(winner)), [1, 0])
        equal(_slopes(_mean(winner, a)), [0, _form(p) / 2])


@step
def pair():
    """−σ log σ(h) − (1 − σ) log σ(−h) of a pair with odds σ falls by (σ − ½)(a₁ − a₂), h = βd, β times that."""
    odds, beta, a, b = symbols("sigma beta a b", real=True)
    h = beta * V * (a - b)
    loss = -odds * log(_sigmoid(h)) - (1 - odds) * log(_sigmoid(-h))
    equal(_at_start(loss), beta * (odds - Rational(1, 2)) * (a - b))


def _cosine_squared(one, other):
    """Of vectors, such as pulls on the logits of a uniform law and their scores."""
    return _mean(one, other) ** 2 / (_mean(one, one) * _mean(other, other))


@step
def verdicts():
    """Uniform on three: pulls p0 E_j sgn(s − s_j), along Δ ½E|s₁ − s₂|; s = (3, −1, −2) leaves a cosine² of 25/28."""
    p, s = [Rational(1, 3)] * 3, [3, -1, -2]
    equal([sum(p), _mean(p, s)], [1, 0])
    pull = [each * _mean(p, [sign(one - other) for other in s]) for each, one in zip(p, s, strict=True)]
    apart = _mean(p, [_mean(p, [abs(one - other) for other in s]) for one in s])
    equal(_mean(pull, s), apart / 2)
    equal(_cosine_squared(pull, s), Rational(25, 28))


@step
def top_quantile():
    """Uniform on three, the first third of s = (1, 0, −1): along Δ E[s | Q] = 1, and a cosine² of 3/4."""
    third, s = Rational(1, 3), [1, 0, -1]
    pull = [1 - third, -third, -third]
    equal([sum(pull), sum(s), _mean(pull, s)], [0, 0, 1])
    equal(_cosine_squared(pull, s), Rational(3, 4))
