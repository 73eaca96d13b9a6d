"""A mask that depends on the teacher's labels breaks the zero branch, but not the law of small ε.

Statement. Let l be cross-entropy on S(y), the k largest of the teacher's logits y. If at θ0 the k-th is above the next,
S(y_ε) = S for all |ε| below some ε1 > 0, and there

    D(ε) = εq + O(ε²),   q = Var_p(u) ≥ 0,   p = softmax of f0 over S;   q = 0 implies D(ε) = 0.

Beyond ε1, q = 0 implies nothing. For k = 2 and logits (1, 1/2, 0) that move by ε(−1, −1, 4), q = 0 and

    D(ε) = 0 for 0 < ε < 1/10,   D(ε) = 5(σ(1) − σ(1 − 5ε)) > 0 for ε > 1/10,   σ(x) = 1/(1 + exp(−x)).

For the outputs (2, 1, θ² − 2θ) log 2 at θ = 0, Δ = 1, q = 0 and D(3) = −(14/15) log 2: the sign is lost as well. If the
k-th ties with the next at θ0, the slopes of D to the two sides can differ, and then no M exists.

Assumptions. Shared initialisation; outputs twice differentiable along Δ; all logits that tie with the k-th are kept.

Proof. On a fixed S this is the theorem for a fixed subset. For linear logits and i in S, j outside, y_i − y_j = g − εc,
g > 0 the gap at θ0, positive for ε < g/c, or for every ε ≥ 0 if c ≤ 0. Beyond, ∂l/∂z lies on another subset, where u
is not constant: Mu = 0 and ⟨∂l/∂z, u⟩ ≠ 0, which the clause on the null space forbids. The claim zero-branch-is-exact
has that clause as an assumption, and the first example among its controls.

Source. arXiv 2507.14805, App. C, allows a fixed subset, which Coq has; the examples are derived here.
"""

from sympy import Matrix, Rational, Symbol, diff, exp, log, solve, symbols

from subtheory.proof import equal, negative, positive, step

CLAIMS = ("moving-masks-break-the-zero-branch", "top-k-is-a-fixed-subset-below-the-tie")
USES = ("psd_and_null_space",)
COQ = ("Losses.masked_ce_compatible",)
SCOPE = "1, 2 kept of 2, 3 logits for the law, three logits and k = 2 for the examples; the prose holds for all sizes"
NOT_COVERED = "how often the ranking changes in language models, and masks by accumulated probability"

T = Symbol("t", real=True)  # ε along the teacher's path


def _kept(y, k):
    """S(y): every logit that is at least the k-th largest."""
    return [i for i, each in enumerate(y) if each >= sorted(y, reverse=True)[k - 1]]


def _softmax(z):
    """exp(z)/Σ exp(z)."""
    return Matrix([exp(each) / sum(map(exp, z)) for each in z])


def _alignment(f0, y, u, S):
    """D = −⟨∂l/∂z, u⟩ at z = f0, for l = −Σ softmax(y)_i log softmax(z)_i over the kept i."""
    z = symbols(f"z:{len(f0)}", real=True)
    labels, p = (_softmax([each[i] for i in S]) for each in (y, z))
    pull = Matrix([labels.dot(p.applyfunc(log))]).jacobian(z)
    return pull.subs(dict(zip(z, f0, strict=True))).dot(Matrix(u))


def _q(f0, u, S):
    """Σ p u² − (Σ p u)² over the kept."""
    p, kept = _softmax([f0[i] for i in S]), Matrix([u[i] for i in S])
    return p.dot(kept.multiply_elementwise(kept)) - p.dot(kept) ** 2


def _overtaking():
    """Three logits f0 and their u: the last passes the second."""
    return Matrix([1, Rational(1, 2), 0]), Matrix([-1, -1, 4])


@step
def mask_is_constant_below_the_tie():
    """g − εc = gh/(c + h) > 0 at ε = g/(c + h), h > 0; the example keeps {0, 1} below ε = 1/10 and {0, 2} above."""
    g, c, h = symbols("g c h", positive=True)
    below = g - g / (c + h) * c
    equal(below, g * h / (c + h))
    positive(below)
    f0, u = _overtaking()
    f = f0 + T * u
    equal(solve(f[1] - f[2], T), [Rational(1, 10)])
    for eps, kept in (0, [0, 1]), (Rational(1, 11), [0, 1]), (Rational(1, 10), [0, 1, 2]), (Rational(1, 9), [0, 2]):
        equal(_kept(f.subs(T, eps), 2), kept)


@step
def law_below_the_tie():
    """m kept of m + 1, any y_ε that leaves f0 along u: D(0) = 0, D′(0) = q; for u = (c, ..., c, anything) D = 0."""
    for m in range(1, 3):
        f0, u, y = (symbols(f"{name}:{m + 1}", real=True) for name in "fuy")
        D, match = _alignment(f0, y, u, range(m)), dict(zip(y, f0, strict=True))
        equal([D.subs(match), Matrix([D]).jacobian(y).dot(u).subs(match)], [0, _q(f0, u, range(m))])
        equal(_alignment(f0, y, [*u[:1] * m, u[m]], range(m)), 0)


@step
def zero_branch_ends_at_the_tie():
    """{0, 1}: q = 0, D = 0; {0, 2}: the form is 25σ(1)(1 − σ(1)), D = 5(σ(1) − σ(1 − 5ε)) > 0, h = exp(5ε) − 1 > 0."""
    f0, u = _overtaking()
    y, below, beyond = f0 + T * u, _kept(f0, 2), _kept(f0 + u, 2)
    equal([_q(f0, u, below), _alignment(f0, y, u, below)], [0, 0])
    D, h, p = _alignment(f0, y, u, beyond), Symbol("h", positive=True), 1 / (1 + exp(-1))
    equal([_q(f0, u, beyond), D], [25 * p * (1 - p), 5 * (p - 1 / (1 + exp(5 * T - 1)))])
    above = 5 * h / ((1 + exp(1)) * (1 + (1 + h) / exp(1)))
    equal(D.subs(T, log(1 + h) / 5), above)
    positive(above)


@step
def sign_is_lost():
    """f = (2, 1, θ² − 2θ) log 2: {0, 1} at θ = 0, q = 0; {0, 2} at θ = 3, D(3) = −(14/15) log 2."""
    f = log(2) * Matrix([2, 1, T**2 - 2 * T])
    f0, y, u = f.subs(T, 0), f.subs(T, 3), diff(f, T).subs(T, 0)
    D = _alignment(f0, y, u, _kept(y, 2))
    equal([_kept(f0, 2), _kept(y, 2), _q(f0, u, _kept(f0, 2)), D], [[0, 1], [0, 2], 0, -Rational(14, 15) * log(2)])
    negative(D)


@step
def tie_at_the_init():
    """Logits (log 2, 0, ε), k = 2: D′ is 0 to the left, where {0, 1} is kept, 2/9 to the right, 3/16 if all are."""
    f0, u = Matrix([log(2), 0, 0]), Matrix([0, 0, 1])
    for y, S, slope in (f0 - u, [0, 1], 0), (f0 + u, [0, 2], Rational(2, 9)), (f0, [0, 1, 2], Rational(3, 16)):
        equal([_kept(y, 2), diff(_alignment(f0, f0 + T * u, u, S), T).subs(T, 0)], [S, slope])
