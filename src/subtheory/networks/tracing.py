"""A user's function as a program: what it raises in one line, and the operations that it is made of."""

import os
from collections.abc import Callable, Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from subtheory.arguments import shown
from subtheory.errors import InputError, SubtheoryError
from subtheory.networks import modes
from subtheory.numerics import float64

LONGEST = 200
"""Letters of another library's message that fit into ours."""


def traced(field: str, function: Callable[..., Any], *arguments: Any, wanted: str = "", given: str = "") -> Any:
    """The program of a function of float64 arguments.

    Whatever it raises becomes an InputError on `field`, which says that it must do what is `wanted` of it and was
    given what is `given`, with the first line of the error, or with the remedy if it is a model in training mode.
    """
    try:
        with float64():
            # A function of its own: JAX would not trace the same one twice.
            return jax.make_jaxpr(lambda *each: function(*each))(*jax.tree.map(double, arguments))
    except SubtheoryError:
        raise
    except Exception as error:
        if remedy := modes.remedy(error):
            raise InputError(field, first_line(error), remedy) from error
        raise InputError(field, given or first_line(error), f"{wanted} ({first_line(error)})") from error


def require_scalar(field: str, function: Any, *arguments: Any) -> None:
    """Raise InputError on `field` unless this is a function of these arguments that gives one real number."""
    if not callable(function):
        raise InputError(field, shown(function), "must be a function")
    name = getattr(function, "__name__", type(function).__name__)
    found = traced(field, function, *arguments, wanted="must take its arguments", given=name).out_avals
    if len(found) != 1 or found[0].shape or not jnp.issubdtype(found[0].dtype, jnp.floating):
        got = ", ".join(f"{each.dtype}{list(each.shape)}" for each in found)
        raise InputError(field, got or "nothing", "must give one real number")


def double(leaf: Any) -> Array:
    """Cast a float array to float64 as JAX sees it; anything else, such as tokens, stays."""
    array = jnp.asarray(leaf)
    return array.astype(jnp.float64) if jnp.issubdtype(array.dtype, jnp.floating) else array


def dtype_of(leaf: Any) -> Any:
    """The dtype of an array, or the one that NumPy gives to anything else."""
    own = getattr(leaf, "dtype", None)
    return np.asarray(leaf).dtype if own is None or isinstance(own, str) else own


def first_line(error: BaseException) -> str:
    """What an error says, in one line that is not too long."""
    text = str(error).strip().splitlines()
    said = text[0].split(" (https://")[0] if text else ""
    if not isinstance(error, TypeError | ValueError) or not said:
        said = f"{type(error).__name__}: {said}".removesuffix(": ")
    return shortened(said)


def shape_of(example: Any) -> str:
    """The shape of one input, or of its parts, as a message shows it."""
    if isinstance(example, dict | list | tuple):
        return shortened(str(jax.tree.map(lambda leaf: f"{dtype_of(leaf)}{list(np.shape(leaf))}", example)))
    return str(np.shape(example))


def shortened(text: str) -> str:
    """A text that is not too long for one line."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


# Operations ---------------------------------------------------------------------------------------


class Operation(NamedTuple):
    """One equation of a program, and the calls, branches and loops that it stands in, innermost first."""

    equation: Any
    outer: tuple[Any, ...] = ()

    @property
    def name(self) -> str:
        return str(self.equation.primitive.name)

    @property
    def files(self) -> list[tuple[str, int]]:
        """File and line of the calls that led to it, innermost first, where JAX has kept them."""
        return [place for one in (self.equation, *self.outer) for place in _files(one)]

    @property
    def place(self) -> str:
        """' (file:line)' of the innermost line outside JAX and the libraries of layers, else of those, else nothing."""
        places = self.files
        own = [place for place in places if not any(f"/{name}/" in place[0] for name in modes.LIBRARIES)] or places
        return f" ({own[0][0]}:{own[0][1]})" if own else ""


def operations(jaxpr: Any, outer: tuple[Any, ...] = ()) -> Iterator[Operation]:
    """Every operation, innermost first: calls, branches and loops hold jaxprs among their parameters."""
    for equation in jaxpr.eqns:
        for value in jax.tree.leaves(list(equation.params.values()), is_leaf=_is_jaxpr):
            if _is_jaxpr(value):
                yield from operations(value, (equation, *outer))
        yield Operation(equation, outer)


def _is_jaxpr(value: Any) -> bool:
    return hasattr(value, "eqns")


def _files(equation: Any) -> list[tuple[str, int]]:
    frames = getattr(getattr(equation.source_info, "traceback", None), "frames", ())
    here = str(Path(__file__).parent)
    inside = takewhile(lambda frame: not frame.file_name.startswith(here), frames)
    return [(frame.file_name, frame.line_num) for frame in inside if not _of_python(frame.file_name)]


def _of_python(file: str) -> bool:
    """Whether a file is JAX's, or of Python's own library."""
    return "/jax/" in file or (Path(file).parent == Path(os.__file__).parent)
