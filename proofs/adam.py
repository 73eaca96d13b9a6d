"""A sign step, Adam's first, need not follow the teacher; frozen shared second moments bring the theorem back.

Statement. Adam's first step is the sign of the gradient. With v = −∇L_S/ε = GΔ, D of the student that makes the step
sign(v) is Σ sign(v_i) Δ_i, of order 1 and of any sign: v = (1, 1/10) and Δ = (1, −2) give −1, and gradient descent
4ε/5. If both use P = diag(1/√s) with the same frozen s > 0, −∇L_T · Δθ_S = εΔᵀGΔ ≥ 0. A sign teacher
Δ = −sign(∇L_T) has Δθ_S · Δ ≥ 0 under gradient descent, yet L_T can rise.

Assumptions. Shared initialisation; G = kkᵀ in the examples, a linear network f = k · θ on one input.

Proof. With bias correction the first moments are g and g², hence the step g/√g². The sign forgets how small the second
entry of v is, which Δ weights with −2. The frozen s is a preconditioner shared by both. In the last
example k = (1, −2), ∇L_T = −(3, 1), Δ = (1, 1): k · Δ = −1, so the student goes along −k, and ∇L_T · (−k) = 1.

Source. Derived here; the optimiser of the MNIST runs of arXiv 2507.14805.
"""

from sympy import Matrix, Rational, Symbol, diag, diff, sign, sqrt, symbols

from subtheory.proof import equal, nonnegative, step

CLAIMS = (
    "sign-steps-can-oppose-the-teacher",
    "frozen-second-moments-restore-the-sign",
    "sign-teachers-can-raise-the-trait-loss",
)
USES = ("preconditioner",)
COQ = (
    "Preconditioner.preconditioned_theorem",
    "Counterexamples.sign_step",
    "Counterexamples.sign_step_both",
)
SCOPE = "n = 1..6 parameters for the frozen moments, one example each for the others"
NOT_COVERED = "Adam after its first step, with moments that follow the gradient"


def _force(k, w, eps, Delta):
    """−∇L_S at θ0 = 0 for f = k · θ, l = w(z − y)² and the teacher εΔ."""
    theta = Matrix(symbols(f"theta:{len(k)}", real=True))
    loss = w * (k.dot(theta) - eps * k.dot(Delta)) ** 2
    return Matrix([-diff(loss, each) for each in theta]).subs(dict.fromkeys(theta, 0))


@step
def first_step_is_the_sign():
    """From zero moments, with bias correction, m/√s = g/√g² = sign(g) for every β1 and β2."""
    first, second, g = symbols("beta1 beta2 g", real=True, nonzero=True)
    m, s = (1 - first) * g / (1 - first**1), (1 - second) * g**2 / (1 - second**1)
    equal(m / sqrt(s), sign(g))


@step
def sign_step_opposes():
    """v = (1, 1/10), Δ = (1, −2), G = (5/4)vvᵀ: the sign step has D = −1 for every ε > 0, gradient descent 4ε/5."""
    eps = Symbol("epsilon", positive=True)
    v, Delta = Matrix([1, Rational(1, 10)]), Matrix([1, -2])
    force = _force(v, Rational(5, 8), eps, Delta)
    equal(force, eps * v)
    equal(force.applyfunc(sign).dot(Delta), -1)
    equal(force.dot(Delta), 4 * eps / 5)


@step
def frozen_moments():
    """P = diag(1/√s), Δ = −Pg: −g · PGΔ = (k · Δ)² ≥ 0 for G = kkᵀ; a sum of such terms makes every G."""
    for n in range(1, 7):
        k, g = Matrix(symbols(f"k:{n}", real=True)), Matrix(symbols(f"g:{n}", real=True))
        P = diag(*[1 / sqrt(s) for s in symbols(f"s:{n}", positive=True)])
        Delta = -P * g
        equal(-g.dot(P * k) * k.dot(Delta), k.dot(Delta) ** 2)
        nonnegative(k.dot(Delta) ** 2)


@step
def sign_teacher():
    """k = (1, −2), ∇L_T = −(3, 1): D = ε > 0, yet L_T changes by +αε under gradient descent, by 2α under signs."""
    alpha, eps = symbols("alpha epsilon", positive=True)
    k, g = Matrix([1, -2]), Matrix([-3, -1])
    Delta = -g.applyfunc(sign)
    force = _force(k, Rational(1, 2), eps, Delta)
    equal(force.dot(Delta), eps)
    equal(alpha * g.dot(force), alpha * eps)
    equal(alpha * g.dot(force.applyfunc(sign)), 2 * alpha)
