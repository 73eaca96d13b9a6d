"""Settings of one formula f(θ, x) with exact numbers, in which a broken assumption must show."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from subtheory.kernels.source import Given as Arrays
from subtheory.setting.setting import Setting, ladder
from subtheory.setting.teachers import Given
from subtheory.theory.network import Params
from subtheory.theory.trait import FunctionTrait


@dataclass(frozen=True)
class Formula:
    """A network given by one formula f(θ, x); its parameters come from the setting's source."""

    name: str
    function: Callable[[Params, Array], Array]

    def init(self, key: Array) -> Params:
        raise NotImplementedError(f"{self.name} has no initial law")

    def apply(self, params: Params, x: Array) -> Array:
        return self.function(params, x)


def no_trait(theta: Params) -> Array:
    """L_T = 0."""
    return jnp.zeros(())


def constructed(
    name: str,
    function: Callable[[Params, Array], Array],
    theta0: Params,
    delta: Params | None = None,
    x: Any = ((1.0,),),
    trait: Callable[[Params], Any] = no_trait,
    width: int = 1,
    other: Callable[[Array], Params] | None = None,
    **changes: Any,
) -> Setting:
    """One constructed run; ε are absolute sizes, by default 0.5 and five quarterings, the teacher goes along `delta`.

    `other` is the independent init as in `source.Given`; `changes` are fields of the setting.
    """
    source = Arrays(theta0, np.asarray(x), FunctionTrait(trait), width, other=other, delta=delta, deterministic=True)
    chosen: dict[str, Any] = {"teacher": Given(), "eps": ladder(0.5), "relative": False} | changes
    return Setting(Formula(name, function), source=source, **chosen)
