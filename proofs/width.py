"""Different outputs of a wide layer share little: what a fixed channel sees of a teacher falls as one over width.

Statement. n units with slopes p at an input x of the channel and q at an input t of the trait, head weights of mean 0
and variance 1/n, independent between outputs. Between two different outputs the tangent kernel has mean 0 and

    E K_kk′(x, t)² = X(x, t)² E[p²q²]/n,   X = x · t + 1,   at every n.

A trait with cotangents g_kt on its outputs moves output a of the channel by u_a = Σ g_kt K_ak(·, kt), and

    E u_a(x)u_a(x′) = S(x, x′)/n,   S = Σ_k Σ_tt′ g_kt g_kt′ X(x, t) X(x′, t′) E[p(x)q(t)p(x′)q(t′)].

If the kernels of the channel and of the trait are those of infinite width, Θ on equal outputs and 0 on different ones,
a student of m outputs that is trained to convergence keeps the share

    η = (m/n) tr(Θ⁻¹S)/Σ_k g_kᵀΘg_k   of the mean of ‖Δ‖²,

so at fixed m it falls as 1/n, and at m ∝ n it does not. Head weights that learn at n times the rate of the rest have
Θ ∼ nΣ in both places, and η ∼ m/n³. A head weight's correlation c with one of the trait's leaves K a mean, cXE[pq].

Assumptions. One hidden layer, a trait that is linear in its outputs, small ε; Θ invertible.

Proof. Only a head weight's square has a mean, so in K² units meet themselves alone, and in uu also outputs k. ‖ΠΔ‖² =
uᵀ(I ⊗ Θ⁻¹)u, whose mean is m tr(Θ⁻¹S)/n, and ‖Δ‖² = Σ_k g_kᵀΘg_k.

Source. Derived here.
"""

from itertools import product

from sympy import Matrix, Rational, Symbol, expand, limit, oo, prod, symbols

from subtheory.proof import equal, step

CLAIMS = ("width-dilutes-a-fixed-channel", "outputs-decouple-with-width")
USES = ("projection",)
COQ = ()
SCOPE = (
    "1..3 units, 1, 2 outputs of the trait, 2 inputs of each kind; Θ of 2 inputs in letters; the prose holds for all"
)
NOT_COVERED = "how fast kernels of the channel concentrate, which the claim measures, and layers behind the first"


def _letters(name, *shape):
    """Letters by index."""
    return {at: Symbol(f"{name}{''.join(map(str, at))}", real=True) for at in product(*map(range, shape))}


def _mean(value, weights, variance):
    """The mean over independent head weights of mean 0, in each of which the value has degree 2 at most."""
    terms = expand(value).as_poly(*weights).terms()
    return sum(
        factor * prod({0: 1, 1: 0, 2: variance}[power] for power in powers)
        for powers, factor in terms
    )  # fmt: skip


def _layer(n, outputs):
    """Head weights of a distilled output and of the trait's, slopes p (x, j) and q (t, j), X (x, t), and g (k, t)."""
    shapes = {"a": (n,), "v": (outputs, n), "p": (2, n), "q": (2, n), "X": (2, 2), "g": (outputs, 2)}
    return [_letters(name, *shape) for name, shape in shapes.items()]


def _block(layer, n, x, k, t):
    """K between the distilled output at x and output k of the trait at t: body weights and biases of all units."""
    a, v, p, q, X, _ = layer
    return X[x, t] * sum(a[j,] * p[x, j] * v[k, j] * q[t, j] for j in range(n))


def _heads(layer):
    return [*layer[0].values(), *layer[1].values()]


@step
def different_outputs_fluctuate():
    """E K = 0 and E K² = X² (Σ_j p_j²q_j²)/n²."""
    for n in range(1, 4):
        layer = _layer(n, 1)
        _, _, p, q, X, _ = layer
        K, variance = _block(layer, n, 0, 0, 0), Rational(1, n)
        equal(_mean(K, _heads(layer), variance), 0)
        units = sum(p[0, j] ** 2 * q[0, j] ** 2 for j in range(n))
        equal(_mean(K**2, _heads(layer), variance), X[0, 0] ** 2 * units / n**2)


@step
def what_the_channel_sees():
    """E u(x)u(x′) = n⁻² Σ_k Σ_tt′ g_kt g_kt′ X(x, t) X(x′, t′) Σ_j p_j(x)q_j(t)p_j(x′)q_j(t′)."""
    for n, outputs in (1, 2), (2, 1), (2, 2):
        layer = _layer(n, outputs)
        _, _, p, q, X, g = layer
        u = [sum(g[k, t] * _block(layer, n, x, k, t) for k in range(outputs) for t in range(2)) for x in range(2)]
        for x, y in (0, 0), (0, 1):
            S = sum(
                g[k, t] * g[k, s] * X[x, t] * X[y, s] * p[x, j] * q[t, j] * p[y, j] * q[s, j]
                for k in range(outputs) for t in range(2) for s in range(2) for j in range(n)
            )  # fmt: skip
            equal(_mean(u[x] * u[y], _heads(layer), Rational(1, n)), S / n**2)


@step
def share_of_the_mean():
    """E Σ_a u_aᵀΘ⁻¹u_a = (m/n) tr(Θ⁻¹S) for u = Lz/√n with independent z and S = LLᵀ; detΘ Θ⁻¹ is the adjugate."""
    n, z, w = Symbol("n", positive=True), symbols("z:4", real=True), symbols("t:3", real=True)
    L, Theta = Matrix(2, 2, symbols("l:4", real=True)), Matrix([[w[0], w[1]], [w[1], w[2]]])
    for m in 1, 2:
        outputs = [L * Matrix(z[2 * a : 2 * a + 2]) for a in range(m)]
        seen = sum((u.T * Theta.adjugate() * u)[0] for u in outputs) / n
        equal(_mean(seen, z, 1), Rational(m) / n * (Theta.adjugate() * L * L.T).trace())


@step
def parametrisations():
    """Θ = rnΣ + B in numerator and denominator: nη/m has a limit for rn = 1, and n³η/m for r = 1."""
    n, sigma, body, S, g = symbols("n Sigma B S g", positive=True)
    eta = lambda features: S / (features * sigma + body) / (g**2 * (features * sigma + body)) / n  # noqa: E731
    equal(limit(n * eta(1), n, oo), S / (g**2 * (sigma + body) ** 2))
    equal(limit(n**3 * eta(n), n, oo), S / (g * sigma) ** 2)


@step
def tied_heads_do_not_decouple():
    """a = cv + sz with z independent of v: E K = cX(Σ_j p_jq_j)/n."""
    c, s = symbols("c s", real=True)
    for n in range(1, 4):
        layer = _layer(n, 1)
        a, v, p, q, X, _ = layer
        z = symbols(f"z:{n}", real=True)
        tied = _block(layer, n, 0, 0, 0).subs({a[j,]: c * v[0, j] + s * z[j] for j in range(n)})
        mean = _mean(tied, [*v.values(), *z], Rational(1, n))
        equal(mean, c * X[0, 0] * sum(p[0, j] * q[0, j] for j in range(n)) / n)
