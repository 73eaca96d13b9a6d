"""Elementary functions as derivative tables: (z, K) ↦ balls of F⁽ᵏ⁾(z)/k!, k = 0 ... K ≤ 3.

Each derivative is written in a closed form with z in as few places as possible: ball arithmetic
forgets that two occurrences of z are the same number.
"""

from flint import arb

from subtheory.certificate.jets import Table, composed, square


def tanh(z: arb, order: int) -> list[arb]:
    """tanh, s, −s·tanh, s(2 − 3s)/3, with s = sech²."""
    t = z.tanh()
    if order == 0:
        return [t]
    s = square(z.sech())
    return [t, s, -t * s, s * (2 - 3 * s) / 3][: order + 1]


def sigmoid(z: arb, order: int) -> list[arb]:
    """σ(z) = (1 + tanh(z/2))/2."""
    half = tanh(z / 2, order)
    return [(1 + half[0]) / 2, *(f / 2 ** (k + 1) for k, f in enumerate(half[1:], 1))]


def softplus(z: arb, order: int) -> list[arb]:
    """log(1 + eᶻ), which rises, so that its two ends bound it; its derivative is σ."""
    ends = [end.exp().log1p() for end in (z.lower(), z.upper())]
    return [ends[0].union(ends[1]), *(f / k for k, f in enumerate(sigmoid(z, max(0, order - 1)), 1))][: order + 1]


def gelu(z: arb, order: int) -> list[arb]:
    """zΦ(z), Φ + zφ, φ(2 − z²)/2, φz(z² − 4)/6, with Φ and φ the normal law and its density."""
    z2 = square(z)
    density = (-z2 / 2).exp() / (2 * arb.pi()).sqrt()
    law = (1 + (z / arb(2).sqrt()).erf()) / 2
    return [z * law, law + z * density, density * (2 - z2) / 2, density * z * (z2 - 4) / 6][: order + 1]


GELU_SCALE, GELU_CUBIC = 0.7978845608028654, 0.044715
"""√(2/π) and the coefficient of z³ in the tanh form of gelu, as the float64 numbers that networks compute with."""


def gelu_tanh(z: arb, order: int) -> list[arb]:
    """z(1 + tanh(c(z + az³)))/2, the approximation that most networks use."""
    c, a = arb(GELU_SCALE), arb(GELU_CUBIC)
    inner = [c * z * (1 + a * square(z)), c * (1 + 3 * a * square(z)), 3 * c * a * z, c * a][: order + 1]
    t = composed(tanh(inner[0], order), inner)
    t[0] = t[0] + 1
    return [z * t[0] / 2, *((z * t[k] + t[k - 1]) / 2 for k in range(1, order + 1))]


def sine(z: arb, order: int) -> list[arb]:
    """sin, cos, −sin/2, −cos/6."""
    s, c = z.sin(), z.cos()
    return [s, c, -s / 2, -c / 6][: order + 1]


def exp(z: arb, order: int) -> list[arb]:
    """eᶻ/k!."""
    e = z.exp()
    return [e, e, e / 2, e / 6][: order + 1]


def log(z: arb, order: int) -> list[arb]:
    """log z, 1/z, −1/(2z²), 1/(3z³)."""
    inverse = 1 / z
    return [z.log(), inverse, -square(inverse) / 2, square(inverse) * inverse / 3][: order + 1]


def reciprocal(z: arb, order: int) -> list[arb]:
    """1/z, −1/z², 1/z³, −1/z⁴."""
    inverse = 1 / z
    return [inverse, -square(inverse), square(inverse) * inverse, -square(square(inverse))][: order + 1]


def rsqrt(z: arb, order: int) -> list[arb]:
    """z^(−1/2), −z^(−3/2)/2, 3z^(−5/2)/8, −5z^(−7/2)/16."""
    r = z.rsqrt()
    r3 = square(r) * r
    return [r, -r3 / 2, 3 * r3 * square(r) / 8, -5 * r3 * square(square(r)) / 16][: order + 1]


ACTIVATIONS: dict[str, Table] = {
    "tanh": tanh,
    "gelu": gelu_tanh,
    "gelu-erf": gelu,
    "softplus": softplus,
    "sigmoid": sigmoid,
    "sine": sine,
}
"""Activations by the names that networks use; a relu is piecewise polynomial and treated apart."""
