"""Whether a model is what the theory speaks of: one differentiable function of θ and x, computed in float64."""

import re
from typing import Any

import jax
import numpy as np

from subtheory.errors import InputError
from subtheory.networks.derivatives import differentiable, rules
from subtheory.networks.modes import DRAWING, REMEDIES, library
from subtheory.networks.precision import called, require_double
from subtheory.networks.tracing import operations, traced
from subtheory.theory.distillation import outputs as applied
from subtheory.theory.network import Network, Params

UNBATCHED = ("pure_callback", "io_callback", "custom_vmap_call")
"""Operations that need not work for a batch of examples."""


def usable(network: Network, params: Params, x: Any) -> tuple[Network, list[str]]:
    """The network, or one of the same outputs whose Taylor models can be taken, and functions with custom derivatives.

    Traces it on one example. Raises InputError where it does not take that example, draws random numbers, is another
    function the next time, has no derivative in reverse mode, or computes in single precision; naming operation and
    source line.
    """
    program = called(network, params, x)
    require_pure(program, called(network, params, x), "apply")
    if any(one.name in UNBATCHED for one in operations(program.jaxpr)):
        batch = jax.tree.map(lambda leaf: np.asarray(leaf)[None], x)
        traced("apply", lambda params, x: applied(network, params, x), params, batch, wanted="must work under jax.vmap")
    require_double(network, params, x, program)
    return differentiable(network, params, x, program), rules(program)


def require_pure(program: Any, again: Any, field: str) -> None:
    """Raise InputError on `field` for a program that draws random numbers, or differs from that of the next call."""
    for one in operations(program.jaxpr):
        if one.name in DRAWING:
            raise InputError(field, f"{one.name}{one.place}", REMEDIES[library(one.files)])
    if not _same(program, again):
        wanted = "must be one function: two calls with the same arguments differ (NumPy's draws, or a state)"
        raise InputError(field, "another program in the second call", wanted)


def _same(one: Any, other: Any) -> bool:
    texts = [re.sub(r"0x[0-9a-f]+", "", str(each.jaxpr)) for each in (one, other)]
    pairs = zip(one.consts, other.consts, strict=False)
    return texts[0] == texts[1] and all(a is b or np.array_equal(np.asarray(a), np.asarray(b)) for a, b in pairs)
