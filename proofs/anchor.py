"""An anchor at the init attenuates the student and never stops it on the same inputs; on other inputs it can turn it.

Statement. Let the student minimise the imitation loss plus λ times an anchor that holds its outputs at the init, both
to second order about θ0. With the same inputs and outputs its displacement and its alignment are

    d = εΠΔ/(1 + λ),   d · Δ = ε‖ΠΔ‖²/(1 + λ) ≥ 0,

Π the projector onto the range of G. On other inputs, of the matrix G′, d = ε(G + λG′)⁻¹GΔ, of any sign. A weight
decay of ½λ‖θ‖² makes the one-step alignment εq − λ θ0 · Δ, negative if and only if λ θ0 · Δ > εq. On the way there t
steps of rate α make of a mode g of G the share s_t = (1 − (1 − α(1 + λ)g)ᵗ)/(1 + λ); if the anchor is lifted then, what
is missing to a student that never had one falls by 1 − αg a step.

Assumptions. Shared initialisation, losses in their quadratic form, a start at θ0 (so that d lies in the range of G).

Proof. The gradient is G(d − εΔ) + λGd, or with G′ in the last place; set it to 0. For G = kkᵀ with k = (1, −1/2), and
Δ = (1, 3/2), G′ = diag(10, 1), λ = 1: GΔ = k/4 and (G + G′)⁻¹k = G′⁻¹k/(1 + kᵀG′⁻¹k), so that d · Δ = −13ε/108.

Source. Derived here; an anchor to the init is used in arXiv 2604.25779.
"""

from sympy import Matrix, Rational, Symbol, diag, diff, ones, symbols, zeros

from subtheory.proof import equal, nonnegative, step

CLAIMS = (
    "anchor-attenuates-by-its-weight",
    "anchor-on-other-inputs-can-reverse",
    "liminal-anchors-attenuate-and-do-not-stop",
    "weight-decay-reverses-past-its-threshold",
)
USES = ("gauss_newton_form",)
COQ = ()
SCOPE = "n = 1..4 modes, G of every rank; steps of one mode for every t; one example for other inputs; prose for all"
NOT_COVERED = "anchors beyond the quadratic form, as KL is at a distance from the init"


def _gradient(G, other, weight, Delta, d):
    """∇ of ½(d − Δ)ᵀG(d − Δ) + ½ weight dᵀG′d, by its derivatives."""
    names = Matrix(symbols(f"d:{len(d)}", real=True))
    loss = ((names - Delta).dot(G * (names - Delta)) + weight * names.dot(other * names)) / 2
    return Matrix([diff(loss, each) for each in names]).subs(dict(zip(names, d, strict=True)))


@step
def same_inputs():
    """In the eigenbasis of G, of any rank: d = εΠΔ/(1 + λ) is stationary, and d · Δ = ε‖ΠΔ‖²/(1 + λ) ≥ 0."""
    eps, weight = symbols("epsilon lambda", positive=True)
    for n in range(1, 5):
        g, Delta = symbols(f"g:{n}", positive=True), Matrix(symbols(f"Delta:{n}", real=True))
        for rank in range(n + 1):
            G = diag(*g[:rank], *zeros(1, n - rank))
            Pi = diag(*ones(1, rank), *zeros(1, n - rank))
            d = eps * Pi * Delta / (1 + weight)
            equal(_gradient(G, G, weight, eps * Delta, d), zeros(n, 1))
            aligned = eps * sum(each**2 for each in Delta[:rank]) / (1 + weight)
            equal(d.dot(Delta), aligned)
            nonnegative(aligned)


def _next(s, rate, g, weight):
    """The share after one more step, in a mode g of which a share s is made: d − α(g(d − 1) + λgd) at d = s."""
    (slope,) = _gradient(Matrix([[g]]), Matrix([[g]]), weight, Matrix([1]), Matrix([s]))
    return s - rate * slope


@step
def on_the_way():
    """s_0 = 0, and s_t for every t by induction: (1 − x)/(1 + λ) is followed by (1 − x(1 − α(1 + λ)g))/(1 + λ)."""
    rate, g, weight, x = symbols("alpha g lambda x", real=True)
    share = lambda left: (1 - left) / (1 + weight)  # noqa: E731
    equal(share(1), 0)
    equal(_next(share(x), rate, g, weight), share(x * (1 - rate * (1 + weight) * g)))


@step
def lifted():
    """Without an anchor any two shares s and s′ of a mode close up by 1 − αg a step."""
    rate, g, one, other = symbols("alpha g s r", real=True)
    missing = _next(one, rate, g, 0) - _next(other, rate, g, 0)
    equal(missing, (1 - rate * g) * (one - other))


@step
def other_inputs():
    """k = (1, −1/2), Δ = (1, 3/2), G′ = diag(10, 1), λ = 1: d · Δ = −13ε/108, while q = 1/16."""
    eps = Symbol("epsilon", real=True)
    k, Delta, other = Matrix([1, -Rational(1, 2)]), Matrix([1, Rational(3, 2)]), diag(10, 1)
    G = k * k.T
    d = eps * (G + other).inv() * G * Delta
    equal(_gradient(G, other, 1, eps * Delta, d), Matrix([0, 0]))
    equal([d.dot(Delta), Delta.dot(G * Delta)], [-Rational(13, 108) * eps, Rational(1, 16)])


@step
def weight_decay():
    """−∇(½(f − εkΔ)² + ½λθ²) · Δ at θ0 is εq − λ θ0 · Δ, for f = k(θ − θ0) in every parameter."""
    eps, weight = symbols("epsilon lambda", real=True)
    for n in range(1, 5):
        k, theta0, Delta, theta = (Matrix(symbols(f"{name}:{n}", real=True)) for name in ("k", "s", "d", "t"))
        loss = ((k.dot(theta - theta0) - eps * k.dot(Delta)) ** 2 + weight * theta.dot(theta)) / 2
        D = -sum(diff(loss, each) * delta for each, delta in zip(theta, Delta, strict=True))
        equal(D.subs(dict(zip(theta, theta0, strict=True))), eps * k.dot(Delta) ** 2 - weight * theta0.dot(Delta))
