"""Double precision for networks that were not written for it: upcast parameters, find float32 inside."""

from collections.abc import Callable, Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from subtheory.errors import InputError
from subtheory.numerics import float64
from subtheory.theory.network import Network, Params


def upcast(params: Params) -> tuple[Params, str | None]:
    """Cast every leaf to float64 (NumPy), and say so in a message if that changed a dtype.

    Raises InputError on "params", naming the leaf, if there is no leaf at all, a leaf is not
    a float array, or one holds NaN or infinity.
    """
    leaves, treedef = jax.tree_util.tree_flatten_with_path(params)
    if not leaves:
        raise InputError("params", repr(params), "must hold at least one float array")
    narrow: set[str] = set()
    doubles = []
    for path, leaf in leaves:
        where = jax.tree_util.keystr(path) or "the only leaf"
        dtype = dtype_of(leaf)
        if not jnp.issubdtype(dtype, jnp.floating):
            raise InputError("params", f"{dtype} at {where}", "every leaf must be a float array")
        double = np.asarray(leaf).astype(np.float64)
        if not np.isfinite(double).all():
            first = double[~np.isfinite(double)].flat[0]
            raise InputError("params", f"{first} at {where}", "every entry must be finite")
        if dtype != np.float64:
            narrow.add(str(dtype))
        doubles.append(double)
    message = f"parameters: upcast from {', '.join(sorted(narrow))} to float64" if narrow else None
    return jax.tree.unflatten(treedef, doubles), message


def require_float64(network: Network, params: Params, x: Any) -> None:
    """Refuse a network that leaves float64 between θ, x and its outputs f_θ(x).

    Traces `apply` and its derivative on one example (floats in x are cast to float64) and looks
    at every operation, nested ones included. Raises InputError on "params" if a leaf is not
    float64, on "apply" or "derivative of apply" if an operation results in a narrower float,
    naming the first one and its source line where JAX has kept it, and on "apply" if it does not
    take x or its outputs are not one float64 array.
    """
    for path, leaf in jax.tree_util.tree_flatten_with_path(params)[0]:
        if dtype_of(leaf) != np.float64:
            at = f"{dtype_of(leaf)} at {jax.tree_util.keystr(path)}"
            raise InputError("params", at, "must be float64 (see upcast)")
    try:
        with float64():
            traced = jax.make_jaxpr(network.apply)(params, double(x))
    except (TypeError, ValueError) as error:
        wanted = f"must accept one example ({str(error).splitlines()[0]})"
        raise InputError("apply", f"input of shape {np.shape(x)}", wanted) from error
    _refuse_narrow(traced, "apply")
    outs = traced.out_avals
    if len(outs) != 1 or outs[0].dtype != np.float64 or not outs[0].shape:
        got = ", ".join(f"{out.dtype}{list(out.shape)}" for out in outs)
        raise InputError("apply", got or "nothing", "must return one float64 array, logits on its last axis")
    with float64():
        # Custom derivative rules show only here.
        _refuse_narrow(jax.make_jaxpr(_pullback(network))(params, double(x)), "derivative of apply")


def double(leaf: Any) -> Array:
    """Cast a float array to float64 as JAX sees it; anything else, such as tokens, stays."""
    array = jnp.asarray(leaf)
    return array.astype(jnp.float64) if jnp.issubdtype(array.dtype, jnp.floating) else array


def dtype_of(leaf: Any) -> Any:
    """The dtype of an array, or the one that NumPy gives to anything else."""
    return leaf.dtype if hasattr(leaf, "dtype") else np.asarray(leaf).dtype


def _pullback(network: Network) -> Callable[[Params, Array], Params]:
    """(θ, x) ↦ Jᵀ f_θ(x)."""

    def pull(params: Params, x: Array) -> Params:
        outputs, transpose = jax.vjp(lambda theta: network.apply(theta, x), params)
        return transpose(outputs)

    return pull


def _refuse_narrow(traced: Any, field: str) -> None:
    """Raise InputError on `field` at the first operation whose result is a float below 64 bits."""
    for equation in _equations(traced.jaxpr):
        for out in equation.outvars:
            if _is_narrow(out.aval):
                operation = f"{out.aval.dtype} in {equation.primitive.name}{_source(equation)}"
                raise InputError(field, operation, "must compute in float64")


def _is_narrow(aval: Any) -> bool:
    dtype = getattr(aval, "dtype", None)
    return dtype is not None and jnp.issubdtype(dtype, jnp.inexact) and int(jnp.finfo(dtype).bits) < 64


def _is_jaxpr(value: Any) -> bool:
    return hasattr(value, "eqns")


def _equations(jaxpr: Any) -> Iterator[Any]:
    """Every equation, innermost first: calls, branches and loops hold jaxprs among their parameters."""
    for equation in jaxpr.eqns:
        for value in jax.tree.leaves(list(equation.params.values()), is_leaf=_is_jaxpr):
            if _is_jaxpr(value):
                yield from _equations(value)
        yield equation


def _source(equation: Any) -> str:
    """' (file:line)' of the innermost line outside JAX and Flax, else of Flax, else nothing."""
    frames = getattr(getattr(equation.source_info, "traceback", None), "frames", ())
    here = str(Path(__file__).parent)
    inside = takewhile(lambda frame: not frame.file_name.startswith(here), frames)
    places = [(frame.file_name, frame.line_num) for frame in inside if "/jax/" not in frame.file_name]
    own = [place for place in places if "/flax/" not in place[0]] or places
    return f" ({own[0][0]}:{own[0][1]})" if own else ""
