"""Perceptrons and transformers are differentiable in their parameters, so that the theorem holds for them as it stands.

Statement. All parameters are one vector θ, each part reading its own from an offset. Every output of a perceptron is
differentiable in θ at every θ0 if its activation is tanh, the logistic sigmoid σ, softplus or GELU, and with ReLU where
no hidden unit of any input is exactly 0. So is every logit of a transformer with such a smooth activation, softmax
attention, and LayerNorm = diag(g) y + b, y = (x − x̄)/s, s² = Σ(x_i − x̄)²/n + e. In particular

    ∂(Wx + b) = W ∂x + (I ⊗ xᵀ | I),     ∂y/∂x = (I − 11ᵀ/n − yyᵀ/n)/s,
    (Σ_t a_t v_t)′ = Σ_t a_t (c_t′ − Σ_r a_r c_r′) v_t + a_t v_t′   for attention a = softmax(c) to values v.

Assumptions. e > 0; finitely many inputs; for ReLU, no hidden unit at its kink (see kink). Nothing else on θ0 or sizes.

Proof. F is differentiable at θ0 if F(θ0 + tδ) = A + ta with a tending, as t → 0, to a linear form in the unit vector δ,
uniformly in δ. If F and G are, so are F + G, FG, F/G where G(θ0) ≠ 0, and φ(F) where φ has a derivative at F(θ0): their
difference quotients are continuous in t and in those of F and G. Coordinates of θ and constants are. Hence a layer is,
if its input is, from whatever offset it reads; by induction a perceptron is, wherever the activation has a derivative
at each number that it meets. Attention divides by a sum of exponentials, > 0, LayerNorm by s ≥ √e; a residual block
adds, and blocks stack; a causal position reads no later token. All parts but ReLU are analytic, so second derivatives
are bounded along a segment; a ReLU network is a polynomial of θ near a θ0 off all kinks.

Source. The networks of the toolkit; arXiv 2507.14805, App. C, takes differentiability for granted.
"""

from sympy import Function, Matrix, Max, cancel, diag, diff, erf, exp, eye, log, ones, pi, sqrt, symbols, tanh, zeros

from subtheory.proof import equal, positive, step

CLAIMS = ()
SUPPORTS = ("gauss_newton_form", "trait_loss_falls")
COQ = (
    *("Networks.mlp_differentiable_off_kinks", "Networks.mlp_differentiable", "Networks.theorem_one_tanh_mlp_wmse"),
    *("Networks.theorem_one_tanh_mlp_masked_ce", "Networks.theorem_one_relu_mlp"),
    *("Networks.theorem_one_tanh_mlp_closed", "Attention.attention_differentiable"),
    *("Attention.transformer_block_differentiable", "Attention.decoder_differentiable", "Attention.decoder_causal"),
    *("Attention.theorem_one_transformer", "Attention.theorem_one_transformer_closed"),
)
SCOPE = "by sympy the parts: a 2×2 layer, LayerNorm n = 2..4, attention to 1..4 tokens; in Coq networks of all sizes"
NOT_COVERED = "convolutions, sine, GELU by erf and the vision transformer: by the same rules, but not in Coq"


@step
def closure():
    """F = A + ta, G = B + tb: at t = 0 the difference quotients of F + G, FG, F/G, φ(F) are the known derivatives."""
    A, B, a, b, t, p = symbols("A B a b t p")
    F, G = A + t * a, B + t * b
    changes = [F + G - (A + B), F * G - A * B, F / G - A / B, p * (F - A)]  # the last is φ(F) − φ(A), p → φ′(A)
    slopes = [a + b, a * B + A * b, (a * B - A * b) / B**2, p * a]
    equal([cancel(change / t).subs(t, 0) for change in changes], slopes)


@step
def smooth_activations():
    """tanh′ = 1 − tanh², σ′ = σ(1 − σ), softplus′ = σ, by their definitions with exp."""
    x = symbols("x")
    tau, sigma = tanh(x).rewrite(exp), 1 / (1 + exp(-x))
    equal([diff(phi, x) for phi in (tau, sigma, log(1 + exp(x)))], [1 - tau**2, sigma * (1 - sigma), sigma])


@step
def gelu():
    """(x(1 + τ)/2)′ = (1 + τ)/2 + xa(1 + 3bx²)(1 − τ²)/2 for τ = tanh(a(x + bx³)); (xΦ)′ = Φ + x exp(−x²/2)/√(2π)."""
    x, a, b = symbols("x a b")
    tau, Phi = tanh(a * (x + b * x**3)), (1 + erf(x / sqrt(2))) / 2
    equal(diff(x * (1 + tau) / 2, x), (1 + tau) / 2 + x * a * (1 + 3 * b * x**2) * (1 - tau**2) / 2)
    equal(Phi + Phi.subs(x, -x), 1)
    equal(diff(x * Phi, x), Phi + x * exp(-(x**2) / 2) / sqrt(2 * pi))


@step
def relu():
    """max(0, x)/x = 1 for x > 0 and 0 for x < 0: differentiable on either side, and at 0 with two different slopes."""
    h = symbols("h", positive=True)
    equal([Max(0, x) / x for x in (h, -h)], [1, 0])


@step
def affine_layer():
    """y = Wx(θ) + b with W and b read from an offset of θ: ∂y/∂θ = W ∂x/∂θ + (0 | I ⊗ xᵀ | I | 0)."""
    theta = Matrix(symbols("before W:4 b:2 after"))
    W, b = Matrix(2, 2, theta[1:5]), Matrix(theta[5:7])
    x = Matrix([Function(f"x{j}")(*theta) for j in range(2)])
    own = Matrix.hstack(zeros(2, 1), diag(x.T, x.T), eye(2), zeros(2, 1))
    equal((W * x + b).jacobian(theta), W * x.jacobian(theta) + own)


def _projector(n):
    return eye(n) - ones(n, n) / n


def _spread(x):
    centred = _projector(len(x)) * x
    return centred.dot(centred) / len(x)


@step
def layer_norm():
    """∂y/∂x = (I − 11ᵀ/n − yyᵀ/n)/s, ∂y/∂x · 1 = 0, and ∂y/∂x · x = (e/s²) y: a factor does nothing only if e = 0."""
    S = symbols("S")  # s²
    for n in range(2, 5):
        x = Matrix(symbols(f"x:{n}"))
        y, e = _projector(n) * x / sqrt(S), S - _spread(x)
        derivative = y.jacobian(x) + diff(y, S) * Matrix([_spread(x)]).jacobian(x)
        closed = (_projector(n) - y * y.T / n) / sqrt(S)
        equal((derivative - closed).expand(), zeros(n, n))
        equal((closed * ones(n, 1)).expand(), zeros(n, 1))
        equal((closed * x - e / S * y).expand(), zeros(n, 1))


@step
def epsilon_is_needed():
    """s² > 0 for e > 0, but at e = 0, y = ±(1, −1) all along the two rays c ± t(1, −1): no limit at equal inputs."""
    c, e, t = symbols("c", real=True), symbols("e", positive=True), symbols("t", positive=True)
    for n in range(2, 5):
        positive(_spread(Matrix(symbols(f"x:{n}", real=True))) + e)
    for ray in Matrix([1, -1]), Matrix([-1, 1]):
        equal(_projector(2) * t * ray / sqrt(_spread(c * ones(2, 1) + t * ray)), ray)


@step
def attention():
    """(Σ a_s v_s)′ = Σ a_s (c_s′ − Σ a_r c_r′) v_s + a_s v_s′, a = softmax(c); for one token it is v′."""
    t = symbols("t", real=True)
    for T in range(1, 5):
        dc, v, dv = (Matrix(symbols(f"{name}:{T}", real=True)) for name in ("dc", "v", "dv"))
        e = Matrix(symbols(f"e:{T}", positive=True))  # the exponentials of the scores
        weights = e.multiply_elementwise((t * dc).applyfunc(exp))
        positive(sum(weights))
        output, a = weights.dot(v + t * dv) / sum(weights), e / sum(e)
        equal(diff(output, t).subs(t, 0), sum(a[s] * (dc[s] - a.dot(dc)) * v[s] + a[s] * dv[s] for s in range(T)))
