"""Built-in networks, and adapters for a network of your own."""

from subtheory.networks.adapters import Adapted, Reordered, adapt, is_module, parameters_of
from subtheory.networks.convnet import ConvNet
from subtheory.networks.decoders import GPT2, Decoder, Llama
from subtheory.networks.linen import BIAS_STD, Law, LinenNetwork
from subtheory.networks.mlp import MLP, Linear
from subtheory.networks.precision import refuse_narrow, require_float64, upcast
from subtheory.networks.transformer import Transformer
from subtheory.networks.vit import VisionTransformer

_ALL: tuple[LinenNetwork, ...] = (
    Linear(),
    MLP(),
    MLP(activation="gelu"),
    MLP(activation="softplus"),
    MLP(activation="relu"),
    ConvNet(),
    VisionTransformer(),
    Transformer(),
)

NETWORKS: dict[str, LinenNetwork] = {network.name: network for network in _ALL}
"""The default instance of every built-in network, by name."""

__all__ = [
    "BIAS_STD",
    "GPT2",
    "MLP",
    "NETWORKS",
    "Adapted",
    "ConvNet",
    "Decoder",
    "Law",
    "Linear",
    "LinenNetwork",
    "Llama",
    "Reordered",
    "Transformer",
    "VisionTransformer",
    "adapt",
    "derivatives",
    "inputs",
    "is_module",
    "parameters_of",
    "refuse_narrow",
    "require_float64",
    "tracing",
    "upcast",
    "usable",
]
