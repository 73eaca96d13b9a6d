"""Six small networks, a corner each. What is compiled for one of them serves every file of tests that takes it."""

from subtheory.data.toys import toy
from subtheory.networks import MLP, ConvNet, Linear, LinenNetwork, Transformer

LINEAR = Linear()
"""Linear in θ: every expansion ends after its first term."""

SMOOTH = MLP(width=4, depth=1)
"""A smooth perceptron: all derivatives exist, and none of low order vanishes."""

KINKED = MLP(width=4, depth=1, activation="relu")
"""ReLUs: kinks, no curvature between them, and units that can be rescaled."""

CONV = ConvNet(channels=(2,))
"""Weights that are shared between places of an image."""

ATTENTION = Transformer(width=4, heads=1)
"""Tokens in, an output at every position, and attention between them."""

SINGLE = MLP(width=4, depth=1, task=toy((2,), 1, 1))
"""A single output in each group: a softmax over it is constant."""

SHAPES: dict[str, LinenNetwork] = {
    "linear": LINEAR,
    "smooth": SMOOTH,
    "kinked": KINKED,
    "conv": CONV,
    "attention": ATTENTION,
    "single": SINGLE,
}
