"""Paths from a teacher's init θ0 to a student's θ0_S: how alike must the two be?

A path is a frozen dataclass (start, amount, keys) ↦ θ0_S on stacks of flat parameters, (S, P), by NumPy and the
network's kernels; amount 0 is the shared init of the theorem. `students` runs one over amounts and keys:

>>> from subtheory import MLP
>>> from subtheory.init import PATHS, begin, students
>>> start = begin(MLP(width=4), 0)
>>> PATHS["linear"](start, 0.5, [1]).shape
(1, 345)
>>> found = students(PATHS["linear"], start, (0.0, 0.5, 1.0), keys=[1, 2])
>>> found["head"]["kernel"].shape
(3, 2, 4, 13)

To add a path, write one dataclass and name it in `_ALL` below. Theory: predictions P16 to P19 and P44,
gaps g10 and g15.
"""

from dataclasses import replace

from subtheory.init.mixing import Correlated, LinearInterpolation, PartialReinit, SphericalInterpolation
from subtheory.init.noise import IsotropicNoise, Noise, NullNoise, SeenNoise, TensorNoise, whitened
from subtheory.init.path import FRACTIONS, Another, Keys, Path, Start, apart, begin, checked, fits, students, teachers
from subtheory.init.sharing import ShareFirst, ShareLast, ShareParts, ShareSubtree, Sharing, called, layers
from subtheory.init.symmetry import (
    GainRescaling,
    HeadPermutation,
    Permutation,
    Place,
    ReluRescaling,
    Rescaling,
    SignFlip,
    StreamRescaling,
    Symmetry,
    Turn,
    Units,
    act,
    moving,
    units,
)
from subtheory.init.training import BehaviourMatched, Fork
from subtheory.networks import MLP, ConvNet, LinenNetwork, Transformer, VisionTransformer

_ALL: tuple[Path, ...] = (
    IsotropicNoise(),
    TensorNoise(),
    NullNoise(),
    SeenNoise(),
    LinearInterpolation(),
    SphericalInterpolation(),
    Correlated(),
    PartialReinit(),
    ShareFirst(),
    ShareLast(),
    ShareParts(distilled=True, silent=True),
    ShareParts(body=True),
    Permutation(),
    HeadPermutation(),
    SignFlip(),
    ReluRescaling(),
    GainRescaling(),
    StreamRescaling(),
    Fork(),
    BehaviourMatched(),
    BehaviourMatched(on="trait"),
)

PATHS: dict[str, Path] = {path.name: path for path in _ALL}
"""The default instance of every path within one parameter space, by name."""


def others(network: LinenNetwork) -> dict[str, Another]:
    """Students with parameters of their own, by what differs: "width", "depth", "activation", "family".

    Only what the network has to vary; see `Another` for what may be compared.
    """
    found: dict[str, LinenNetwork] = {}
    if isinstance(network, MLP):
        found["width"] = replace(network, width=2 * network.width)
        found["depth"] = replace(network, depth=network.depth + 1)
    if isinstance(network, ConvNet):
        found["width"] = replace(network, channels=tuple(2 * count for count in network.channels))
    if isinstance(network, MLP | ConvNet):
        found["activation"] = replace(network, activation="gelu" if network.activation != "gelu" else "tanh")
    if isinstance(network, Transformer | VisionTransformer):
        found["width"] = replace(network, width=2 * network.width)
        found["depth"] = replace(network, blocks=network.blocks + 1)
    if not isinstance(network, Transformer):
        family = VisionTransformer if isinstance(network, MLP) else MLP
        found["family"] = family(task=network.task)
    return {name: Another(other) for name, other in found.items()}


__all__ = [
    "FRACTIONS",
    "PATHS",
    "Another",
    "BehaviourMatched",
    "Correlated",
    "Fork",
    "GainRescaling",
    "HeadPermutation",
    "IsotropicNoise",
    "Keys",
    "LinearInterpolation",
    "Noise",
    "NullNoise",
    "PartialReinit",
    "Path",
    "Permutation",
    "Place",
    "ReluRescaling",
    "Rescaling",
    "SeenNoise",
    "ShareFirst",
    "ShareLast",
    "ShareParts",
    "ShareSubtree",
    "Sharing",
    "SignFlip",
    "SphericalInterpolation",
    "Start",
    "StreamRescaling",
    "Symmetry",
    "TensorNoise",
    "Turn",
    "Units",
    "act",
    "apart",
    "begin",
    "called",
    "checked",
    "fits",
    "guessing",
    "layers",
    "measures",
    "moving",
    "others",
    "students",
    "teachers",
    "units",
    "whitened",
]
