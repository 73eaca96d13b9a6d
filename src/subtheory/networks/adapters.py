"""Networks of a user's own behind the two-function protocol: Flax modules and pure functions."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import FunctionType, MethodType
from typing import Any, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from subtheory import arguments
from subtheory.errors import InputError
from subtheory.networks import modes
from subtheory.networks.precision import require_float64, upcast
from subtheory.networks.tracing import double, dtype_of, first_line
from subtheory.numerics import float64
from subtheory.theory.network import Network, Params

__all__ = ["Adapted", "Reordered", "adapt", "is_module", "parameters_of", "require_float64", "upcast"]


@dataclass(frozen=True, eq=False)
class Adapted:
    """A network made of two functions; equal if its function is, so that one that is adapted twice is compiled once."""

    name: str
    draw: Callable[[Array], Params]
    function: Callable[[Params, Array], Array]
    advice: str = ""
    """What to do if it computes in single precision, after the line that says so."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Adapted) and self._same == other._same

    def __hash__(self) -> int:
        return hash(self._same)

    @property
    def _same(self) -> Any:
        """The function if functions like it compare by what they do, else which one it is."""
        if not isinstance(self.function, FunctionType | MethodType | _OfModule):
            return id(self.function)
        try:
            hash(self.function)
        except TypeError:  # a module with an array among its attributes
            return id(self.function)
        return self.function

    def init(self, key: Array) -> Params:
        """Draw parameters and cast them to float64."""
        return jax.tree.map(double, self.draw(key))

    def apply(self, params: Params, x: Array) -> Array:
        """Outputs of one example; the function is given JAX arrays."""
        return self.function(jax.tree.map(_as_jax, params), jax.tree.map(_as_jax, x))


def adapt(
    model: Any, params: Params = None, *, example: Any = None, name: str | None = None, seed: int = 0
) -> tuple[Network, Params]:
    """Turn a model into a `Network` and its parameters, which `upcast` brings to float64.

    `model` is one of

    - a Flax Linen module, with `params` its variables or their "params" entry; collections
      beside "params" are held constant; without `params`, they are drawn on `example`;
    - a Flax NNX module, split into its `nnx.Param`s and a constant rest (call `model.eval()` first
      if it has dropout or batch statistics);
    - a pure function `apply(params, x)` together with `params`;
    - an Equinox module, split into its inexact arrays and a constant rest (`eqx.nn.inference_mode` first);
    - a pair of pure functions `(init, apply)`, for any other library;
    - a `Network`, which is returned as it is.

    The model is called on **one** example x without a batch axis. Where `params` are not given
    they are drawn by `init` with `jax.random.key(seed)`. A model without an initial law of its
    own (a function with params; an NNX or Equinox module; a Linen module without `example`) gets one: each
    leaf of `params` with its entries permuted at random, which keeps the law of the weights.

    Raises InputError on "model" or "params" for anything else, on "init" or "seed" where none can be drawn, and on
    "name" for what is no text.
    """
    if not isinstance(name, str | None):
        raise InputError("name", arguments.shown(name), "must be a text")
    label = name or _label(model)
    network: Network
    if isinstance(model, nn.Module):
        network, params = _linen(model, params, example, label, seed)
    elif _is_of("flax.nnx", model):
        network, params = _nnx(model, params, label)
    elif _is_of("equinox", model) and not isinstance(model, Network):
        network, params = _equinox(model, params, label)
    elif isinstance(model, tuple) and len(model) == 2 and all(callable(part) for part in model):
        network = Adapted(label, *model)
    elif isinstance(model, Network) and not isinstance(model, type):
        network = model
    elif callable(model) and params is not None:
        network = Adapted(label, Reordered(params), model)
    else:
        wanted = "must be a Flax module, (init, apply), or apply(params, x) together with params"
        raise InputError("model", type(model).__name__, wanted)
    return network, _drawn(network.init, seed) if params is None else params


def is_module(value: Any) -> bool:
    """Whether this is a module of Linen, NNX or Equinox, which may be callable and yet is no function of a key."""
    return isinstance(value, nn.Module) or _is_of("flax.nnx", value) or _is_of("equinox", value)


def parameters_of(model: Any, drawn: Any) -> Params:
    """The parameters in what the user of a model has drawn: a module, or variables, are split as in `adapt`."""
    if isinstance(model, nn.Module) and isinstance(drawn, Mapping):
        drawn = drawn.get("params", drawn)
    if _is_of("flax.nnx", drawn):
        nnx = cast(Any, sys.modules["flax.nnx"])
        return nnx.to_pure_dict(nnx.state(drawn, nnx.Param))
    if _is_of("equinox", drawn):
        eqx = cast(Any, sys.modules["equinox"])
        return eqx.filter(drawn, eqx.is_inexact_array)
    return nn.unbox(drawn)


def _as_jax(leaf: Any) -> Any:
    """A NumPy array as JAX's, which has `.at`; anything else as it is."""
    return jnp.asarray(leaf) if isinstance(leaf, np.ndarray) else leaf


def _label(model: Any) -> str:
    function = model[-1] if isinstance(model, tuple) and model else model
    return str(getattr(function, "__name__", type(function).__name__)).strip("<>")


def _drawn(init: Callable[[Array], Params], seed: int) -> Params:
    """Parameters of a seed. Raises InputError on "seed" for what is none, and on "init" for whatever `init` raises."""
    number = arguments.whole("seed", seed, 0, arguments.LARGEST_SEED)
    with float64():
        try:
            return jax.tree.map(np.asarray, init(jax.random.key(number)))
        except Exception as error:
            raise InputError("init", first_line(error), "must draw the parameters of a key") from error


@dataclass(frozen=True, eq=False)
class Reordered:
    """The law key ↦ params with the entries of each leaf in random order."""

    params: Params

    def __call__(self, key: Array) -> Params:
        try:
            rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
        except jax.errors.TracerArrayConversionError:  # only the shapes are asked for, or a program is made of it
            leaves, tree = jax.tree.flatten(self.params)
            mixed = [jax.random.permutation(jax.random.fold_in(key, i), jnp.ravel(a)) for i, a in enumerate(leaves)]
            shaped = [new.reshape(np.shape(old)) for new, old in zip(mixed, leaves, strict=True)]
            return jax.tree.unflatten(tree, shaped)
        return jax.tree.map(lambda leaf: rng.permutation(np.ravel(leaf)).reshape(np.shape(leaf)), self.params)


@dataclass(frozen=True)
class _OfModule:
    """(θ, x) ↦ the outputs of a Linen module that has no other collections than its parameters."""

    module: nn.Module

    def __call__(self, theta: Params, x: Array) -> Array:
        return cast(Array, self.module.apply({"params": theta}, x))


def _linen(module: nn.Module, variables: Any, example: Any, label: str, seed: int) -> tuple[Adapted, Params]:
    """Split variables into the trainable "params" and collections that stay constant."""

    def initial(key: Array) -> Any:
        return nn.unbox(module.init(key, jax.tree.map(double, example)))

    if variables is None:
        if example is None:
            wanted = "a Linen module needs its params, or an example to draw them on"
            raise InputError("params", None, wanted)
        variables = _drawn(initial, seed)
    if not isinstance(variables, Mapping):
        raise InputError("params", type(variables).__name__, "must be the variables of the Linen module")
    variables = nn.unbox(variables)
    params = variables.get("params", variables)
    constants = {k: v for k, v in variables.items() if k != "params"} if "params" in variables else {}

    def apply(theta: Params, x: Array) -> Array:
        return cast(Array, module.apply({"params": theta, **jax.tree.map(double, constants)}, x))

    draw = Reordered(params) if example is None else lambda key: initial(key)["params"]
    return Adapted(label, draw, apply if constants else _OfModule(module)), params


def _is_of(library: str, model: Any) -> bool:
    """Whether this is a module of NNX or Equinox; whoever has one has imported the library, which may be slow."""
    loaded = sys.modules.get(library)
    return loaded is not None and isinstance(model, loaded.Module)


def _equinox(model: Any, params: Params, label: str) -> tuple[Adapted, Params]:
    """Split an Equinox module into its inexact arrays, as a module, and a constant rest."""
    eqx = cast(Any, sys.modules["equinox"])
    own, rest = eqx.partition(model, eqx.is_inexact_array)
    params = own if params is None else params

    def apply(theta: Params, x: Array) -> Array:
        return cast(Array, eqx.combine(theta, rest)(x))

    return Adapted(label, Reordered(params), apply), params


def _nnx(model: Any, params: Params, label: str) -> tuple[Adapted, Params]:
    """Split an NNX module into a graph, parameters as a plain dict, and a constant rest."""
    nnx = cast(Any, sys.modules["flax.nnx"])
    model, advice = _of_its_parameters(nnx, model)
    graph, state, rest = nnx.split(model, nnx.Param, ...)
    if params is None:
        params = nnx.to_pure_dict(state)

    def apply(theta: Params, x: Array) -> Array:
        filled = jax.tree.map(lambda leaf: leaf, state)  # a copy, because the next line works in place
        nnx.replace_by_pure_dict(filled, theta)
        constant = jax.tree.map(double, rest)
        merged, before = nnx.merge(graph, filled, constant), jax.tree.leaves(constant)
        outputs = merged(x)
        _require_unchanged(before, jax.tree.leaves(nnx.split(merged, nnx.Param, ...)[2]))
        return cast(Array, outputs)

    return Adapted(label, Reordered(params), apply, advice), params


def _require_unchanged(before: Any, after: Any) -> None:
    """Raise InputError unless a call has left the state of an NNX module as it was."""
    if len(before) != len(after) or any(a is not b for a, b in zip(before, after, strict=True)):
        raise InputError("model", "one that changes its own state when it is called", modes.REMEDIES[modes.NNX])


def _of_its_parameters(nnx: Any, model: Any) -> tuple[Any, str]:
    """A module whose embeddings compute in whatever precision their parameters have, and advice on other layers.

    `nnx.Embed` fixes its `dtype` when it is made, to that of its parameters where none is given, and would go back to
    it after they are cast. Other layers have a `dtype` only if they were given one.
    """
    fixed = [(path, one) for path, one in nnx.iter_modules(model) if _narrow(getattr(one, "dtype", None))]
    if not fixed:
        return model, ""
    copy = nnx.merge(*nnx.split(model))
    for _, one in nnx.iter_modules(copy):
        if isinstance(one, nnx.Embed) and one.dtype == dtype_of(one.embedding.get_value()):
            one.dtype = None
    left = [path for path, one in nnx.iter_modules(copy) if _narrow(getattr(one, "dtype", None))]
    names = ", ".join(f"model.{'.'.join(map(str, path))}.dtype = None" for path in left)
    return copy, f", set {names}" if left else ""


def _narrow(dtype: Any) -> bool:
    """Whether a dtype of a layer is a float below 64 bits."""
    return dtype is not None and jnp.issubdtype(dtype, jnp.floating) and jnp.finfo(dtype).bits < 64
