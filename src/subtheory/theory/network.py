"""A network is a function of its parameters: the two-function protocol of the theory."""

from typing import Any, Protocol, runtime_checkable

from jax import Array

from subtheory.arguments import shown
from subtheory.errors import InputError

Params = Any
"""A pytree of float arrays: θ."""


@runtime_checkable
class Network(Protocol):
    """f: (θ, x) ↦ outputs of **one** example; `jax.vmap` gives the batch.

    Implementations are hashable and compare by value, so that two equal networks share one
    compiled program. The last axis of the outputs holds the logits; axes before it (positions
    of a sequence) are averaged over by every loss.
    """

    @property
    def name(self) -> str:
        """What tables and messages call it."""
        ...

    def __hash__(self) -> int: ...

    def init(self, key: Array) -> Params:
        """Draw float64 parameters θ0 from the network's initial law."""
        ...

    def apply(self, params: Params, x: Array) -> Array:
        """Outputs f_θ(x) of one example, shape (..., outputs)."""
        ...


_KNOWN: set[type] = set()
"""Classes of networks that have been seen: to ask the protocol takes longer than all else that a setting does."""


def require_network(value: Any, field: str = "network") -> None:
    """Raise InputError on `field` for what is no network, such as a name or a class."""
    if type(value) in _KNOWN:
        return
    if isinstance(value, type) or not isinstance(value, Network):
        raise InputError(field, shown(value), "must be a network: a name, init(key) and apply(params, x)")
    _KNOWN.add(type(value))
