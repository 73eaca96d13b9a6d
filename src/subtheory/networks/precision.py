"""Double precision for networks that were not written for it: upcast parameters, find float32 inside."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from subtheory.errors import InputError
from subtheory.networks.derivatives import pullback
from subtheory.networks.tracing import dtype_of, operations, shape_of, traced
from subtheory.theory.network import Network, Params

DIGITS = 52
"""Bits of the mantissa of a float64."""

DOUBLE = "must compute in float64"
ONE = "must return one float64 array, logits on its last axis"


def upcast(params: Params, field: str = "params", which: str = "") -> tuple[Params, str | None]:
    """Cast every leaf to float64 (NumPy), and say so in a message if that changed a dtype.

    Raises InputError on `field`, with `which` of several, naming the leaf, if there is no leaf at all, a leaf is not
    a float array, or one holds NaN or infinity; and for the tracers of a call inside `jit`.
    """
    leaves, treedef = jax.tree_util.tree_flatten_with_path(params)
    if not leaves:
        raise InputError(field, repr(params), "must hold at least one float array")
    narrow: set[str] = set()
    doubles = []
    for path, leaf in leaves:
        where = (jax.tree_util.keystr(path) or "the only leaf") + which
        dtype = dtype_of(leaf)
        if isinstance(leaf, jax.core.Tracer):
            wanted = "must be numbers: call this outside of jit, grad and vmap"
            raise InputError(field, f"a tracer at {where}", wanted)
        if not jnp.issubdtype(dtype, jnp.floating):
            raise InputError(field, f"{dtype} at {where}", "every leaf must be a float array")
        double = np.asarray(leaf).astype(np.float64)
        if not np.isfinite(double).all():
            first = double[~np.isfinite(double)].flat[0]
            raise InputError(field, f"{first} at {where}", "every entry must be finite")
        if dtype != np.float64:
            narrow.add(str(dtype))
        doubles.append(double)
    if not sum(leaf.size for leaf in doubles):
        raise InputError(field, f"leaves of size 0 ({len(leaves)} in all)", "must hold at least one number")
    message = (
        f"{'parameters' if field == 'params' else field}: upcast from {', '.join(sorted(narrow))} to float64"
        if narrow
        else None
    )
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
    require_double(network, params, x, called(network, params, x))


def called(network: Network, params: Params, x: Any) -> Any:
    """The program of `apply` on one example. Raises InputError on "apply" if it does not take it."""

    def apply(params: Params, x: Any) -> Any:
        outputs = network.apply(params, x)
        if isinstance(outputs, dict | list):
            raise InputError("apply", f"a {type(outputs).__name__}", ONE)
        return outputs

    given = f"input of shape {shape_of(x)}"
    return traced("apply", apply, params, x, wanted="must accept one example", given=given)


def require_double(network: Network, params: Params, x: Any, program: Any) -> None:
    """`require_float64` of float64 parameters, with the program of `apply` on one example."""
    advice = getattr(network, "advice", "")
    refuse_narrow(program, "apply", advice)
    outs = program.out_avals
    if len(outs) != 1 or outs[0].dtype != np.float64 or not outs[0].shape or not outs[0].size:
        got = ", ".join(f"{out.dtype}{list(out.shape)}" for out in outs)
        raise InputError("apply", got or "nothing", ONE)
    # Custom derivative rules show only here.
    refuse_narrow(pullback(network, params, x, program), "derivative of apply", advice)


def refuse_narrow(program: Any, field: str, advice: str = "") -> None:
    """Raise InputError on `field` at the first operation whose result is a float below 64 bits, or rounded like one."""
    for one in operations(program.jaxpr):
        for out in one.equation.outvars:
            if _is_narrow(out.aval):
                raise InputError(field, f"{out.aval.dtype} in {one.name}{one.place}", f"{DOUBLE}{advice}")
        if one.name == "reduce_precision" and one.equation.params["mantissa_bits"] < DIGITS:
            raise InputError(field, f"{one.equation.params['mantissa_bits']} bits in {one.name}{one.place}", DOUBLE)


def _is_narrow(aval: Any) -> bool:
    dtype = getattr(aval, "dtype", None)
    return dtype is not None and jnp.issubdtype(dtype, jnp.inexact) and int(jnp.finfo(dtype).bits) < 64
