"""Imitating a teacher that took a gradient step on a loss lowers that loss, on inputs and outputs of any other kind.

Statement. Let Δ = −∇L_T(θ0), q = ΔᵀGΔ and α > 0. From a shared init

    L_T(θ0 + αΔθ_S) − L_T(θ0) = −αεq + O(ε²),

so that it is < 0 for all small ε > 0 if q > 0. If q = 0, then D(ε) = 0 for every ε, and nothing is promised of L_T.

Assumptions. Those of the Gauss-Newton form; L_T differentiable at θ0, with a Lipschitz gradient for the order of the
remainder (without, it is o(ε), and the sign is the same). L_T is any function of θ: the channel need not see it.

Proof. Δθ_S = εGΔ + O(ε²) is a curve through 0. By the chain rule the derivative of L_T(θ0 + αΔθ_S) at ε = 0 is
α∇L_T(θ0)·GΔ = −αΔᵀGΔ = −αq. If it vanishes, E[uᵀMu] = 0 with M ⪰ 0, so that u(x) is in the null space of M(x): constant
for cross-entropy, zero at the outputs with weight for squared error. Then ⟨∂l/∂z, u⟩ = 0 for all labels, hence
D(ε) = 0 for all ε. A step αε beyond 1/β may go up again on a loss of curvature β.

Source. arXiv 2507.14805, App. C, Theorem 1. The Coq theorem is on half of the squared error.
"""

from sympy import Function, Matrix, Rational, diag, diff, exp, log, ones, symbols, zeros

from subtheory.proof import equal, negative, positive, step

CLAIMS = ("trait-loss-falls",)
USES = ("gauss_newton_form", "psd_and_null_space")
COQ = (
    "OneStep.trait_loss_rate",
    "OneStep.theorem_one",
    "OneStep.theorem_one_uniform",
    "Alternatives.alternatives_exclusive",
    "Alternatives.theorem_one_wmse",
    "Alternatives.theorem_one_ce",
    "Alternatives.theorem_one_masked_ce",
    "Alternatives.trait_loss_rate_eta",
    "Alternatives.trait_loss_rate_wmse",
    "Alternatives.trait_loss_rate_ce",
    "SmoothLoss.smooth_trait_loss_rate",
)
SCOPE = "undefined f and L_T of 2 parameters, n = 1, 2 outputs (1..4 in the zero branch) by sympy; all sizes in Coq"
NOT_COVERED = "several student steps; the constant of O(ε²), for which see descent"

EPS, ALPHA = symbols("eps alpha", positive=True)
THETA0, DELTA = Matrix(symbols("theta0_:2")), Matrix(symbols("Delta:2"))
L_T = Function("L_T")


def _softmax(z):
    return Matrix([exp(each) / sum(map(exp, z)) for each in z])


def _squared_error(z, y):
    return (z - y).dot(diag(*symbols(f"w:{len(z)}")) * (z - y))


def _cross_entropy(z, y):
    return log(sum(map(exp, z))) - _softmax(y).dot(z)


def _pull(loss, n):
    """−∂l/∂z with the letters that it is a function of."""
    z, y = (Matrix(symbols(f"{name}:{n}")) for name in "zy")
    return -Matrix([loss(z, y)]).jacobian(z), [*z, *y]


def _rate(n, loss):
    """dL_T/dε at ε = 0 after Δθ_S = −Jᵀ ∂l/∂z, in Δ = −∇L_T(θ0); and the outputs at θ0."""
    z, y = (Matrix([Function(f"f{i}")(*at) for i in range(n)]) for at in (THETA0, THETA0 + EPS * DELTA))
    pull, letters = _pull(loss, n)
    student = z.jacobian(THETA0).T * pull.T.subs(dict(zip(letters, [*z, *y], strict=True)))
    change = diff(L_T(*(THETA0 + ALPHA * student)), EPS).subs(EPS, 0).doit()
    gradient = Matrix([L_T(*THETA0)]).jacobian(THETA0)
    return change.subs(dict(zip(gradient, -DELTA, strict=True))), z


@step
def squared_error():
    """d/dε L_T(θ0 + αΔθ_S) = −αq at ε = 0, q = ΔᵀJᵀMJΔ, M = 2 diag(w)."""
    for n in range(1, 3):
        rate, z = _rate(n, _squared_error)
        u = z.jacobian(THETA0) * DELTA
        equal(rate, -ALPHA * u.dot(2 * diag(*symbols(f"w:{n}")) * u))


@step
def cross_entropy():
    """d/dε L_T(θ0 + αΔθ_S) = −αq at ε = 0, q = ΔᵀJᵀMJΔ, M = diag(p) − ppᵀ."""
    for n in range(1, 3):
        rate, z = _rate(n, _cross_entropy)
        u, p = z.jacobian(THETA0) * DELTA, _softmax(z)
        equal(rate, -ALPHA * u.dot((diag(*p) - p * p.T) * u))


@step
def otherwise_the_alignment_is_zero():
    """u in the null space of M, (c, ..., c) or 0 where w_i > 0: D = −⟨∂l/∂z, u⟩ = 0 for every y."""
    for n in range(1, 5):
        equal(_pull(_cross_entropy, n)[0] * ones(n, 1), zeros(1, 1))
        unseen = _pull(_squared_error, n)[0].subs(symbols("w0"), 0)
        equal(unseen * Matrix([symbols("u"), *zeros(n - 1, 1)]), zeros(1, 1))


@step
def small_steps_are_needed():
    """f = θ, L_T = −θ + ½βθ², Δ = 1: ΔL_T = −2αε(1 − αβε), which is > 0 for ε > 1/(αβ)."""
    beta, more = symbols("beta more", positive=True)
    theta = 2 * ALPHA * EPS  # Δθ_S = 2ε
    change = -theta + beta / 2 * theta**2
    equal(change, -2 * ALPHA * EPS * (1 - ALPHA * beta * EPS))
    positive(change.subs(EPS, (1 + more) / (ALPHA * beta)).expand())
    negative(diff(change, EPS).subs(EPS, 0))


@step
def lipschitz_gradient_is_needed_for_the_order():
    """f = θ, L_T = −θ + |θ|^(3/2), Δ = 1: (ΔL_T + αεq)/ε² = (2α)^(3/2) ε^(−1/2), which is not bounded."""
    theta = 2 * ALPHA * EPS
    change = -theta + theta ** Rational(3, 2)
    equal((change + ALPHA * EPS * 2) / EPS**2, (2 * ALPHA) ** Rational(3, 2) / EPS ** Rational(1, 2))
