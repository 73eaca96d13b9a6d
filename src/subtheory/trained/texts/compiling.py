"""A program in two compilations: an optimised one for much work, and one for little that is there much sooner."""

from collections.abc import Callable
from typing import Any

import jax

from subtheory.kernels.compiled import COMPILING

LITTLE = 512
"""Texts that are gone through before the program has run so long as it takes to optimise it."""
FAST = dict(COMPILING)
if "xla_cpu_use_fusion_emitters" in FAST:  # a jaxlib whose options are known
    FAST["xla_cpu_parallel_codegen_split_count"] = 1  # for several threads it would be compiled in pieces
SOON = FAST | {"xla_backend_optimization_level": 0}
"""A third or less of the time to compile, two to four times that to run."""


class Program:
    """`jax.jit` of a function with some static arguments; equal up to rounding, however much work there is."""

    def __init__(self, function: Callable[..., Any], *static: int) -> None:
        self._soon, self._fast = (
            jax.jit(function, static_argnums=static, compiler_options=options) for options in (SOON, FAST)
        )

    def __call__(self, texts: int, *given: Any) -> Any:
        """The function of what is given, compiled for so many texts."""
        return (self._soon if texts <= LITTLE else self._fast)(*given)
