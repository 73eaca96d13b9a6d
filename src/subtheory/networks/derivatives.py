"""Derivatives that a user's function has: reverse mode is needed, forward mode is made from it where there is none."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from subtheory.networks.tracing import first_line, operations, traced
from subtheory.theory.linearize import derivatives
from subtheory.theory.network import Network, Params

HARD = ("while", "pure_callback", "io_callback", "python_callback")
"""Operations without a derivative in reverse mode."""

CUSTOM = ("custom_vjp_call", "custom_jvp_call")

OTHERS = ("/jax/", "/flax/", "/equinox/", "/optax/", "/haiku/")
"""Where custom derivatives stand that are known to be derivatives."""


def pullback(network: Network, params: Params, x: Any, program: Any) -> Any:
    """The program of (θ, x) ↦ Jᵀ f_θ(x); `program` is that of f.

    Raises InputError on "derivative of apply", naming the operation and its line, where there is none.
    """

    def pull(params: Params, x: Array) -> Params:
        outputs, transpose = jax.vjp(lambda theta: network.apply(theta, x), params)
        return transpose(outputs)

    return differentiated("apply", pull, program, params, x)


def differentiated(field: str, function: Callable[..., Any], program: Any, *arguments: Any) -> Any:
    """The program of a derivative of the function that has this program.

    Raises InputError on "derivative of `field`" where there is none, naming the operation or the function that has no
    derivative, and its line.
    """
    name = f"derivative of {field}"
    return traced(name, function, *arguments, wanted="must exist", given=_culprit(program))


def _culprit(program: Any) -> str:
    """The operations of a program that may have no derivative, by name and line."""
    found = []
    for one in operations(program.jaxpr):
        if one.name in HARD:
            called = getattr(one.equation.params.get("callback"), "callback_func", None)
            of = f" of {getattr(called, '__name__', called)}" if called else ""
            found.append(f"{one.name}{of}{one.place}")
    return ", ".join(dict.fromkeys([*found, *rules(program)]))


def rules(program: Any) -> list[str]:
    """Functions with a derivative of the user's own, and gradients that are stopped, as "name at file:line"."""
    found = []
    for one in operations(program.jaxpr):
        if one.name == "stop_gradient":  # no derivative either, unless it changes nothing, as in a softmax
            found.append(f"stop_gradient{one.place}")
        elif one.name in CUSTOM:
            place = str(one.equation.params["call_jaxpr"].jaxpr.debug_info.func_src_info)
            if not any(folder in place for folder in OTHERS):
                found.append(place)
    return list(dict.fromkeys(found))


def differentiable(network: Network, params: Params, x: Any, program: Any) -> Network:
    """A network of which Taylor models can be taken: the same, or one whose JΔ is the transpose of its pullback.

    `program` is that of f on one example x.
    Raises InputError on "derivative of apply", naming the functions with a derivative of their own, where that has no
    transpose or no derivative in turn.
    """
    if any(one.name == "custom_vjp_call" for one in operations(program.jaxpr)):
        network = Reversed(network)

    def along(params: Params, x: Array) -> Any:
        line = lambda t: network.apply(jax.tree.map(lambda leaf: leaf + t * jnp.ones_like(leaf), params), x)  # noqa: E731
        return derivatives(line, jnp.zeros(()))

    differentiated("apply", along, program, params, x)
    return network


@dataclass(frozen=True)
class Reversed:
    """A network whose JΔ is the transpose of c ↦ Jᵀc at Δ, for functions that have reverse mode alone.

    That is exact where the rule of the function is its derivative. Inputs are held: there is no derivative in x.
    """

    network: Network

    @property
    def name(self) -> str:
        return self.network.name

    def init(self, key: Array) -> Params:
        return self.network.init(key)

    def apply(self, params: Params, x: Array) -> Array:
        """Outputs of one example."""
        return _applied(self.network, params, x)

    @property
    def preactivations(self) -> Any:
        """Those of the network, if it reports any."""
        return getattr(self.network, "preactivations", None)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _applied(network: Network, params: Params, x: Array) -> Array:
    return network.apply(params, x)


@_applied.defjvp
def _(network: Network, primals: Any, tangents: Any) -> tuple[Array, Array]:
    (params, x), (direction, _) = primals, tangents
    z, pull = jax.vjp(lambda theta: network.apply(theta, x), params)
    try:
        push = jax.linear_transpose(lambda cotangent: pull(cotangent)[0], z)
        return z, push(direction)[0]
    except (NotImplementedError, TypeError, ValueError) as error:
        raise TypeError(f"a custom rule must be linear in the cotangent: {first_line(error)}") from error
