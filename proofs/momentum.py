"""Momentum carries a teacher's trait without any change of outputs at the cut; plain gradient descent cannot.

Statement. Let m ← βm + g, θ ← θ − ηm with g = λθ in one mode of the loss. The state (θ, m) is multiplied by

    C = [[1 − ηλ, −ηβ], [λ, β]]

at each step. A transplant δm of the moment alone leaves θ, and all outputs, as they are; k steps later θ has moved by
δθ_k, with δθ_0 = 0, δθ_1 = −ηβ δm, δθ_{k+1} = (1 + β − ηλ) δθ_k − β δθ_{k−1}. For λ = 0, and as long as ηλ is small,

    δθ_k = −η Σ_{j=1..k} βʲ δm → −ηβ/(1 − β) δm.

For β = 0 it is 0 for all k.

Assumptions. A quadratic loss, mode by mode; other networks to first order in δm.

Proof. Put m ← βm + λθ into θ ← θ − ηm. A state obeys its characteristic polynomial: C² = tr(C)C − det(C)I, and tr(C) =
1 + β − ηλ, det(C) = β. At λ = 0 the moment decays as βʲ and θ adds up −ηβʲδm.

Source. Derived here; the transplants of optimiser state are those of arXiv 2608.20442.
"""

from sympy import Matrix, Symbol, eye, limit, oo, symbols

from subtheory.proof import equal, step

CLAIMS = ("momentum-transplant-moves-parameters",)
USES = ("linearised",)
COQ = ()
SCOPE = "all β, η, λ; k = 0..4 explicitly, and the closed form for every k by induction"
NOT_COVERED = "Adam, whose second moments make the transport depend on the data"


def _update(beta, eta, rate, theta, m):
    """One step of gradient descent with momentum on ½ λθ²."""
    moment = beta * m + rate * theta
    return theta - eta * moment, moment


def _companion(beta, eta, rate):
    """The matrix of one step on (θ, m)."""
    return Matrix([[1 - eta * rate, -eta * beta], [rate, beta]])


@step
def companion():
    """One step is C(θ, m), with tr(C) = 1 + β − ηλ, det(C) = β and C² = tr(C)C − det(C)I."""
    beta, eta, rate, theta, m = symbols("beta eta lambda theta m", real=True)
    C = _companion(beta, eta, rate)
    equal(list(_update(beta, eta, rate, theta, m)), list(C * Matrix([theta, m])))
    equal([C.trace(), C.det()], [1 + beta - eta * rate, beta])
    equal(C * C, (1 + beta - eta * rate) * C - beta * eye(2))


@step
def transplant():
    """From (0, δm): δθ_0 = 0, δθ_1 = −ηβδm, δθ_2 = −ηβ(1 + β − ηλ)δm, and the recursion from there."""
    beta, eta, rate, dm = symbols("beta eta lambda dm", real=True)
    states = [(0, dm)]
    for _ in range(4):
        states.append(_update(beta, eta, rate, *states[-1]))
    theta = [state[0] for state in states]
    equal(theta[:2], [0, -eta * beta * dm])
    for before, now, after in zip(theta, theta[1:], theta[2:], strict=False):
        equal(after, (1 + beta - eta * rate) * now - beta * before)
    flat = [each.subs(rate, 0) if each else each for each in theta]
    equal(flat, [-eta * sum(beta**j for j in range(1, k + 1)) * dm for k in range(len(theta))])
    equal([each.subs(beta, 0) if each else each for each in theta], [0] * len(theta))


@step
def every_number_of_steps():
    """λ = 0: −ηβ(1 − βᵏ)/(1 − β)δm satisfies both starts and the recursion for every k; its limit is −ηβ/(1 − β)δm."""
    beta, k = Symbol("beta", positive=True), Symbol("k", integer=True, nonnegative=True)
    eta, dm, rest = Symbol("eta"), Symbol("dm"), Symbol("rest", positive=True)
    theta = -eta * beta * (1 - beta**k) / (1 - beta) * dm
    equal([theta.subs(k, 0), theta.subs(k, 1)], [0, -eta * beta * dm])
    equal(theta.subs(k, k + 2), (1 + beta) * theta.subs(k, k + 1) - beta * theta)
    equal(limit(theta.subs(beta, 1 / (1 + rest)), k, oo), (-eta * beta / (1 - beta) * dm).subs(beta, 1 / (1 + rest)))
