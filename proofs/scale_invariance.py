"""Along a scale-invariant weight nothing is transmitted.

Statement. If f(cW) = f(W) for all c > 0, then J W = 0, and for Δ proportional to W the alignment is D(ε) = 0 for every
ε > −1, whatever the loss. Layer normalisation of h = Wx is such an f if its offset δ is 0. With an offset it has
J W = fδ/(σ² + δ), σ² the variance of h. Without the layer, squared error on f = Wx with Δ = W has D = 2ε‖Wx‖² > 0.

Assumptions. f differentiable at W, h not constant.

Proof. Differentiate f(cW) = f(W) in c at 1 (Euler). The teacher's (1 + ε)W has the outputs of W, where the loss is at
its minimum and its gradient 0. For the offset, f = (h − mean)/√(σ² + δ) and h scales with W.

Source. Derived here.
"""

from sympy import Function, Matrix, Symbol, diff, sqrt, symbols

from subtheory.proof import equal, positive, step

CLAIMS = ("scale-invariant-directions-carry-nothing",)
COQ = ()
SCOPE = "undefined f of degree 0 in 2 weights; layer normalisation of 2 and 3 units; the prose holds for all sizes"
NOT_COVERED = "weight decay and steps of finite size, which change the length of W"


def _derivative_along(f, W, Delta):
    """JΔ, by the derivative in every weight."""
    return [sum(diff(each, name) * delta for name, delta in zip(W, Delta, strict=True)) for each in f]


def _layer_norm(h, offset):
    """(h − mean)/√(variance + offset)."""
    mean = sum(h) / len(h)
    return [(each - mean) / sqrt(_variance(h) + offset) for each in h]


def _variance(h):
    """The mean square of h less its mean."""
    return sum((each - sum(h) / len(h)) ** 2 for each in h) / len(h)


@step
def euler():
    """f(W) = g(W₁/W₀) for an undefined g, which is every f of degree 0 on W₀ > 0: J W = 0."""
    W, g = symbols("W:2"), Function("g")
    equal(_derivative_along([g(W[1] / W[0])], W, W), [0])


@step
def zero_for_every_eps():
    """Δ = W: the labels f(W + εW) are f(W), so D(ε) = 2w(y − f) J W is a product of two zeros; JΔ ≠ 0 across W."""
    W, g, eps = symbols("W:2"), Function("g"), Symbol("epsilon")
    y = g((W[1] + eps * W[1]) / (W[0] + eps * W[0]))
    equal(y, g(W[1] / W[0]))
    slope = _derivative_along([W[1] / W[0]], W, (W[1], -W[0]))
    equal(slope, [-(W[0] ** 2 + W[1] ** 2) / W[0] ** 2])


@step
def layer_norm():
    """Jh = fδ/(σ² + δ) for layer normalisation of h = Wx, as h is linear in W; it is 0 for δ = 0."""
    offset = Symbol("delta", real=True)
    for n in range(2, 4):
        h = symbols(f"h:{n}", real=True)
        along, f = _derivative_along(_layer_norm(h, offset), h, h), _layer_norm(h, offset)
        equal([sum(f), sum(each**2 for each in f) / n], [0, _variance(h) / (_variance(h) + offset)])
        equal(_variance(h), sum(each**2 for each in h) / n - (sum(h) / n) ** 2)
        equal(along, [each * offset / (_variance(h) + offset) for each in f])
        equal([each.subs(offset, 0) for each in along], [0] * n)


@step
def without_the_layer():
    """f = Wx, Δ = W: D(ε) = 2ε‖Wx‖² by the gradient in every weight."""
    eps = Symbol("epsilon", positive=True)
    W, x, y = Matrix(2, 2, symbols("W:4", positive=True)), Matrix(symbols("x:2", positive=True)), symbols("y:2")
    loss = sum((z - target) ** 2 for z, target in zip(W * x, y, strict=True))
    D = -_derivative_along([loss], W, W)[0]
    value = 2 * eps * (W * x).dot(W * x)
    equal(D.subs(dict(zip(y, (1 + eps) * W * x, strict=True))), value)
    positive(value)
