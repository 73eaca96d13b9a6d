"""One-hidden-layer MLPs in 50-digit arithmetic, written out from the definitions: the oracle of the certificates."""

import mpmath as mp
import numpy as np

mp.mp.dps = 50

ROOT = mp.sqrt(2)
ACTIVATIONS = {
    "tanh": (mp.tanh, lambda z: mp.sech(z) ** 2),
    "sigmoid": (lambda z: 1 / (1 + mp.exp(-z)), lambda z: mp.exp(-z) / (1 + mp.exp(-z)) ** 2),
    "softplus": (lambda z: mp.log1p(mp.exp(z)), lambda z: 1 / (1 + mp.exp(-z))),
    "gelu-erf": (
        lambda z: z * (1 + mp.erf(z / ROOT)) / 2,
        lambda z: (1 + mp.erf(z / ROOT)) / 2 + z * mp.exp(-z * z / 2) / mp.sqrt(2 * mp.pi),
    ),
    "sine": (mp.sin, mp.cos),
}


def matrix(values):
    return mp.matrix(np.atleast_2d(np.asarray(values, float)).tolist())


def parameters(params):
    """(W0, b0, W1, b1) as 50-digit matrices, exact values of the floats."""
    first, head = params["Dense_0"], params["head"]
    return tuple(matrix(part[name]) for part in (first, head) for name in ("kernel", "bias"))


def elementwise(function, a):
    return mp.matrix([[function(a[i, j]) for j in range(a.cols)] for i in range(a.rows)])


def product(a, b):
    return mp.matrix([[a[i, j] * b[i, j] for j in range(a.cols)] for i in range(a.rows)])


def rows(bias, count):
    return mp.matrix([[bias[0, j] for j in range(bias.cols)] for _ in range(count)])


def forward(theta, x, activation):
    """f_θ(x), and what a pullback needs."""
    w0, b0, w1, b1 = theta
    z = x * w0 + rows(b0, x.rows)
    h = elementwise(ACTIVATIONS[activation][0], z)
    return h * w1 + rows(b1, x.rows), z, h


def velocity(theta, delta, x, activation):
    """JΔ on every input."""
    dw0, db0, dw1, db1 = delta
    _, z, h = forward(theta, x, activation)
    dz = x * dw0 + rows(db0, x.rows)
    dh = product(elementwise(ACTIVATIONS[activation][1], z), dz)
    return dh * theta[2] + h * dw1 + rows(db1, x.rows)


def softmax(row, seen):
    total = sum(mp.exp(row[i]) for i in seen)
    return [mp.exp(row[i]) / total if i in seen else mp.mpf(0) for i in range(len(row))]


def pull(z, loss, weights, outputs):
    """p·a(z), as in the student's residual a(y) − a(z)."""
    seen = [i for i, w in enumerate(outputs) if w > 0]
    found = []
    for r in range(z.rows):
        row = [z[r, i] for i in range(z.cols)]
        a = [2 * mp.mpf(w) * v for w, v in zip(outputs, row, strict=True)]
        found.append([mp.mpf(weights[r]) * v for v in (a if loss == "squared-error" else softmax(row, seen))])
    return mp.matrix(found)


def moved(theta, delta, t):
    return tuple(a + mp.mpf(t) * b for a, b in zip(theta, delta, strict=True))


def residual(d, t):
    theta, delta, x = parameters(d.theta0), parameters(d.delta), matrix(d.x)
    weights, outputs = [float(w) for w in d.weights], [float(w) for w in d.outputs]
    y, _, _ = forward(moved(theta, delta, t), x, d.network.activation)
    z, _, _ = forward(theta, x, d.network.activation)
    return pull(y, d.loss.name, weights, outputs) - pull(z, d.loss.name, weights, outputs)


def alignment(d, t):
    """D(t) to 50 digits."""
    u = velocity(parameters(d.theta0), parameters(d.delta), matrix(d.x), d.network.activation)
    r = residual(d, t)
    return sum(r[i, j] * u[i, j] for i in range(r.rows) for j in range(r.cols))


def trait_loss(theta, d):
    x = matrix(d.trait.x)
    z, _, _ = forward(theta, x, d.network.activation)
    outputs = [float(w) for w in d.trait.outputs]
    if hasattr(d.trait, "targets"):
        t = matrix(d.trait.targets)
        terms = [mp.mpf(outputs[j]) * (z[i, j] - t[i, j]) ** 2 for i in range(z.rows) for j in range(z.cols)]
        return sum(terms) / z.rows
    seen = [i for i, w in enumerate(outputs) if w > 0]
    logs = [mp.log(softmax([z[i, j] for j in range(z.cols)], seen)[int(d.trait.labels[i])]) for i in range(z.rows)]
    return -sum(logs) / z.rows


def trait_change(d, t, alpha=1.0):
    """L_T(θ0 + αΔθ_S(t)) − L_T(θ0) to 50 digits, Δθ_S = Jᵀr written out for one hidden layer."""
    theta, x = parameters(d.theta0), matrix(d.x)
    r = residual(d, t)
    _, z, h = forward(theta, x, d.network.activation)
    inner = product(r * theta[2].T, elementwise(ACTIVATIONS[d.network.activation][1], z))
    one = mp.ones(1, x.rows)
    step = (x.T * inner, one * inner, h.T * r, one * r)
    return trait_loss(moved(theta, step, alpha), d) - trait_loss(theta, d)
