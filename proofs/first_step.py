"""The sign of another loss's first change holds for a number of steps that the spectrum gives, and may end there.

Statement. For θ_t − θ0 = ε(1 − (I − αG)ᵗ)Δ + O(ε²), 0 ≤ αλ ≤ 1, and any loss L′ of gradient −g at θ0,

    L′(θ0) − L′(θ_t) = εS(t) + O(ε²),   S(t) = Σ m (1 − (1 − x)ᵗ),   x = αλ,  m = (v·g)(v·Δ) in an eigenbasis v.

S(t) has the sign of S(1) = Σ m x for all t < T, T = 1 + 2|Σ m x|/Σ₊ |m| x², where Σ₊ runs over the modes whose m has
the sign of S(1). Without modes of the other sign it is so for all t. Beyond T the sign can change: with x = (½, ⅛) and
m = (1, −2), T = 3, S(1) ... S(4) are positive and S(5) is negative.

Assumptions. Shared initialisation, f and L′ differentiable near θ0, fixed t and α ≤ 1/λmax.

Proof. For 0 ≤ x ≤ 1 and t ≥ 1, tx − t(t − 1)x²/2 ≤ 1 − (1 − x)ᵗ ≤ tx: the difference of both sides between t and t + 1
is x minus x(1 − x)ᵗ, at least 0 (upper), and x(1 − x)ᵗ − x(1 − tx), at least 0 by Bernoulli (lower); both hold at t = 1
with equality. Say S(1) > 0. The modes with m > 0 add at least m(tx − t(t − 1)x²/2), the others at least −|m|tx, so
S(t) ≥ t(S(1) − (t − 1)/2 Σ₊ m x²), which is positive for t < T.

Source. Derived here; arXiv 2607.21356 has first steps that forecast hundreds.
"""

from sympy import Rational, Symbol, binomial, expand, symbols

from subtheory.proof import equal, negative, nonnegative, positive, step

CLAIMS = ("first-step-forecasts-the-rest", "a-first-step-can-mislead-beyond-its-bound")
USES = ("many_steps",)
COQ = ()
SCOPE = "t = 1 ... 8 for any x in 0 ... 1, and two modes in letters; the prose holds for all"
NOT_COVERED = "rates above 1/λmax, and the terms of second order in ε, which decide where S(t) is 0"


def _inside():
    """A letter x = 1/(1 + h) in 0 ... 1, h ≥ 0."""
    return 1 / (1 + Symbol("h", nonnegative=True))


@step
def bernoulli():
    """1 − (1 − x)ᵗ ≤ tx: from t to t + 1 the right side gains x, the left x(1 − x)ᵗ, and they agree at t = 1."""
    x = _inside()
    for t in range(8):
        nonnegative((x - x * (1 - x) ** t).factor())
    letter, t = Symbol("x"), Symbol("t", integer=True, positive=True)
    equal((1 - (1 - letter) ** (t + 1)) - (1 - (1 - letter) ** t), letter * (1 - letter) ** t)


@step
def second_order():
    """1 − (1 − x)ᵗ ≥ tx − t(t − 1)x²/2: from t to t + 1 the right side gains x(1 − tx), the left x(1 − x)ᵗ."""
    x, t = Symbol("x"), Symbol("t")
    right = t * x - t * (t - 1) * x**2 / 2
    equal(expand(right.subs(t, t + 1) - right), expand(x * (1 - t * x)))
    inside = _inside()
    for count in range(8):
        nonnegative(((1 - inside) ** count - (1 - count * inside)).factor())
        equal(binomial(count, 2), Rational(count * (count - 1), 2))


@step
def the_bound():
    """t(S(1) − (t − 1)P/2) > 0 for 0 < t < T = 1 + 2S(1)/P: with t = T − d it is t d P/2."""
    first, lost, d = symbols("S P d", positive=True)
    t = 1 + 2 * first / lost - d
    equal(first - (t - 1) * lost / 2, d * lost / 2)
    positive(d * lost / 2)


@step
def sign_changes_beyond():
    """x = (½, ⅛), m = (1, −2): T = 3, S(t) > 0 for t = 1 ... 4 and S(5) < 0."""
    fast, slow = Rational(1, 2), Rational(1, 8)

    def change(t):
        return (1 - (1 - fast) ** t) - 2 * (1 - (1 - slow) ** t)

    equal(1 + 2 * (fast - 2 * slow) / fast**2, 3)
    for t in range(1, 5):
        positive(change(t))
    negative(change(5))
