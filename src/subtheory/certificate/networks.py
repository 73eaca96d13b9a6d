"""The certified networks, spelled out once more on jets: the same functions as in `subtheory.networks`.

A network is a kind, its options and parameters by the names that Flax gives them ("Dense_0/kernel");
kernels of more than two axes are flattened to (inputs, outputs). That the two spellings agree is
checked whenever a certificate is made, by containment of the other's float64 outputs.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from flint import arb, arb_mat

from subtheory.certificate.functions import ACTIVATIONS, exp, gelu_tanh, reciprocal, rsqrt
from subtheory.certificate.jets import Jet, beside, constant, square, stack
from subtheory.networks import MLP, ConvNet, Transformer


class Weight(Protocol):
    """A parameter matrix somewhere on a segment or a curve."""

    def after(self, a: Jet) -> Jet:
        """a W."""
        ...

    def jet(self) -> Jet: ...


@dataclass(frozen=True)
class Segment:
    """W(t) = base + t·slope, kept apart: X base + t (X slope) is sharper than X (base + t·slope)."""

    base: arb_mat
    slope: arb_mat
    t: arb
    order: int

    def after(self, a: Jet) -> Jet:
        steps = [c * self.slope for c in a.c]
        found = [c * self.base + step * self.t for c, step in zip(a.c, steps, strict=True)]
        return Jet([found[0], *(f + step for f, step in zip(found[1:], steps, strict=False))])

    def jet(self) -> Jet:
        ends = [self.base + self.slope * self.t, self.slope]
        zero = arb_mat(self.base.nrows(), self.base.ncols())
        return Jet([*ends[: self.order + 1], *[zero] * (self.order - 1)])


@dataclass(frozen=True)
class Curve:
    """W(t) as any jet, such as the student's parameters θ0 + αΔθ_S(t)."""

    w: Jet

    def after(self, a: Jet) -> Jet:
        return a @ self.w

    def jet(self) -> Jet:
        return self.w


Weights = Mapping[str, Weight]
Inputs = arb_mat | list[list[int]]
"""One row an example; token sequences as integers."""


def affine(p: Weights, name: str, a: Jet) -> Jet:
    """aW + b."""
    return p[f"{name}/kernel"].after(a) + shifted(p, f"{name}/bias", a)


def shifted(p: Weights, name: str, a: Jet) -> Jet:
    """The row b for every row of a."""
    return p[name].after(constant(ones(a.shape[0]), a.order))


def ones(rows: int) -> arb_mat:
    return arb_mat(rows, 1, [1] * rows)


def hidden_layers(p: Iterable[str]) -> list[str]:
    """Hidden layers in their order: Dense_0, Dense_1, ..."""
    return sorted({name.split("/")[0] for name in p} - {"head"}, key=lambda name: int(name.split("_")[1]))


def mlp(p: Weights, x: Inputs, options: Mapping[str, Any], order: int) -> Jet:
    """x ↦ head(φ(... φ(xW_0 + b_0))), (N, V)."""
    assert isinstance(x, arb_mat)
    h = constant(x, order)
    for name in hidden_layers(p):
        h = affine(p, name, h).map(ACTIVATIONS[options["activation"]])
    return affine(p, "head", h)


def convnet(p: Weights, x: Inputs, options: Mapping[str, Any], order: int) -> Jet:
    """3×3 convolutions, each with an activation and 2×2 means, then a dense head; images as rows, (N, V)."""
    assert isinstance(x, arb_mat)
    height, width = options["image"]
    examples, channels = x.nrows(), 1
    h = constant(x, order).gather(range(x.nrows() * x.ncols()), examples * height * width, 1)
    for name in hidden_layers(p):
        index = patches(examples, height, width, channels)
        z = affine(p, name, h.gather(index, examples * height * width, 9 * channels))
        channels = z.shape[1]
        h = halved(z.map(ACTIVATIONS[options["activation"]]), examples, height, width)
        height, width = height // 2, width // 2
    flat = height * width * channels
    return affine(p, "head", h.gather(range(examples * flat), examples, flat))


def patches(examples: int, height: int, width: int, channels: int) -> list[int]:
    """Positions of the 3×3 neighbourhoods of every pixel, −1 beyond the edge; rows (n, i, j), columns (di, dj, c)."""
    found = []
    for n in range(examples):
        for i in range(height):
            for j in range(width):
                for a in (i - 1, i, i + 1):
                    for b in (j - 1, j, j + 1):
                        inside = 0 <= a < height and 0 <= b < width
                        first = ((n * height + a) * width + b) * channels
                        found += [first + c if inside else -1 for c in range(channels)]
    return found


def halved(h: Jet, examples: int, height: int, width: int) -> Jet:
    """Means over 2×2 blocks of pixels; rows (n, i, j), one column a channel."""
    channels = h.shape[1]
    blocks = []
    for a in (0, 1):
        for b in (0, 1):
            pixels = [
                (n * height + i + a) * width + j + b
                for n in range(examples)
                for i in range(0, height, 2)
                for j in range(0, width, 2)
            ]
            index = [pixel * channels + c for pixel in pixels for c in range(channels)]
            blocks.append(h.gather(index, len(pixels), channels))
    return (blocks[0] + blocks[1] + blocks[2] + blocks[3]) * (arb(1) / 4)


def transformer(p: Weights, x: Inputs, options: Mapping[str, Any], order: int) -> Jet:
    """A pre-norm causal decoder on token sequences; rows (sequence, position), one column a logit."""
    assert isinstance(x, list)
    return stack([decoded(p, tokens, options["heads"], order) for tokens in x])


def decoded(p: Weights, tokens: list[int], heads: int, order: int) -> Jet:
    embedding = p["Embed_0/embedding"].jet()
    width = embedding.shape[1]
    h = embedding.gather([t * width + i for t in tokens for i in range(width)], len(tokens), width)
    h = h + p["positions"].jet()
    for block in sorted({name.split("/")[0] for name in p if name.startswith("Block_")}):
        h = h + attention(p, f"{block}/MultiHeadDotProductAttention_0", normalized(p, f"{block}/LayerNorm_0", h), heads)
        m = affine(p, f"{block}/Dense_0", normalized(p, f"{block}/LayerNorm_1", h)).map(gelu_tanh)
        h = h + affine(p, f"{block}/Dense_1", m)
    return affine(p, "head", normalized(p, "LayerNorm_0", h))


VARIANCE_FLOOR = 1e-6
"""Added to the variance by Flax's LayerNorm, as the float64 number that it is."""


def normalized(p: Weights, name: str, h: Jet) -> Jet:
    """(h − mean)/√(variance + floor) · scale + bias, for every row."""
    rows, width = h.shape
    average = arb_mat(width, width, [arb(1) / width] * width**2)
    off = h - h @ average
    variance = off * off
    variance.c[0] = arb_mat(rows, width, [square(a) for a in off.c[0].entries()])
    floor = constant(arb_mat(rows, width, [arb(VARIANCE_FLOOR)] * (rows * width)), h.order)
    scale = p[f"{name}/scale"].after(constant(ones(rows), h.order))
    return off * (variance @ average + floor).map(rsqrt) * scale + shifted(p, f"{name}/bias", h)


def attention(p: Weights, name: str, h: Jet, heads: int) -> Jet:
    """Causal multi-head attention: softmax(QKᵀ/√d) V for every head, then the output map."""
    length, width = h.shape
    size = width // heads
    q, k, v = (affine(p, f"{name}/{part}", h) for part in ("query", "key", "value"))
    mixed = []
    for head in range(heads):
        index = [row * width + head * size + i for row in range(length) for i in range(size)]
        one_q, one_k, one_v = (part.gather(index, length, size) for part in (q, k, v))
        scores = one_q @ one_k.transpose() * (1 / arb(size).sqrt())
        weights = [softmax(row.gather(range(i + 1), 1, i + 1)) for i, row in enumerate(scores.rows())]
        masked = stack(
            [row.gather([*range(i + 1), *[-1] * (length - i - 1)], 1, length) for i, row in enumerate(weights)]
        )
        mixed.append(masked @ one_v)
    return affine(p, f"{name}/out", beside(mixed))


def softmax(z: Jet) -> Jet:
    """σ_i = e_i/(1 + Σ_{j≠m} e_j), e_i = exp(z_i − z_m), row by row, m the row's largest logit.

    Any m would be right; the largest keeps e_i ≤ 1 on saturated rows, where a ball of a huge number says nothing.
    """
    rows, width = z.shape
    entries = [[entry.mid() for entry in row] for row in z.c[0].tolist()]
    tops = [max(range(width), key=row.__getitem__) for row in entries]
    others = [(r, i) for r in range(rows) for i in range(width) if i != tops[r]]
    if not others:
        return constant(ones(rows), z.order)
    own = z.gather([r * width + i for r, i in others], rows, width - 1)
    top = z.gather([r * width + tops[r] for r, _ in others], rows, width - 1)
    e = (own - top).map(exp)
    share = (e @ ones(width - 1)).plus(ones(rows)).map(reciprocal)
    rest = e * share.gather([r for r, _ in others], rows, width - 1)
    place = {other: rows + k for k, other in enumerate(others)}
    found = [place.get((r, i), r) for r in range(rows) for i in range(width)]
    both = stack([share, rest.gather(range(len(others)), len(others), 1)])
    return both.gather(found, rows, width)


FORWARD: dict[str, Callable[[Weights, Inputs, Mapping[str, Any], int], Jet]] = {
    "mlp": mlp,
    "convnet": convnet,
    "transformer": transformer,
}
"""(weights, inputs, options, order) ↦ outputs on jets, by kind; to add a network, add it here and to `described`."""


def described(network: Any) -> dict[str, Any] | None:
    """Kind and options of a network that can be certified; None for any other."""
    if isinstance(network, MLP) and network.activation in ACTIVATIONS:
        return {"kind": "mlp", "activation": network.activation}
    if isinstance(network, ConvNet) and network.activation in ACTIVATIONS:
        return {"kind": "convnet", "activation": network.activation, "image": list(network.task.shape)}
    if isinstance(network, Transformer):
        return {"kind": "transformer", "heads": network.heads}
    return None
