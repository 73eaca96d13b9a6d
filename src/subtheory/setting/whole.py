"""A distillation that a user hands over, looked at before it is used: its parts fit each other, and are numbers."""

from dataclasses import replace
from math import isfinite, nan
from typing import Any

import jax
import numpy as np

from subtheory import arguments
from subtheory.errors import InputError
from subtheory.kernels.functions import output_shape
from subtheory.networks.inputs import packed, rows_of
from subtheory.networks.tracing import first_line
from subtheory.theory.distillation import Distillation
from subtheory.theory.layout import Layout
from subtheory.theory.losses import require_loss
from subtheory.theory.network import Params
from subtheory.theory.rule import Rule
from subtheory.theory.trait import LabelledTrait, TargetTrait
from subtheory.theory.views import View

LIKE_THETA = ("student", "delta", "trainable", "metric")
"""Fields that are pytrees like θ0."""


def whole(d: Any) -> Distillation:
    """The distillation; structured inputs as rows, which its network then takes.

    Raises InputError on "d" for what is none, and on the field for parts that are none, parameters of another kind,
    weights that do not sum to 1, indices in place of output weights, labels that are none, ε < 0, inputs that are no
    arrays of one leading axis, and numbers that are not finite.
    """
    if not isinstance(d, Distillation):
        raise InputError("d", arguments.shown(d), "must be a distillation: Setting(...).distillation(seed)")
    if isinstance(d.network, type) or not callable(getattr(d.network, "apply", None)):
        raise InputError("network", arguments.shown(d.network), "must be a network: apply(params, x)")
    require_loss(d.loss)
    for name, kind in (("view", View), ("rule", Rule)):
        part = getattr(d, name)
        if isinstance(part, type) or not isinstance(part, kind):
            raise InputError(name, arguments.shown(part), f"must be a {kind.__name__}")
    for name in ("network", "loss", "view", "rule"):
        arguments.hashable(name, getattr(d, name))
    if not hasattr(d.trait, "gradient"):
        raise InputError("trait", arguments.shown(d.trait), "must be a trait, such as LabelledTrait or FunctionTrait")
    if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(d)):
        raise InputError("d", "tracers", "must be numbers: call this outside of jit, grad and vmap")
    for name in ("theta0", *LIKE_THETA):
        if getattr(d, name) is not None or name != "metric":
            require_like(name, getattr(d, name), d.theta0, "theta0")
    own = ("theta0", *LIKE_THETA)
    if any(np.asarray(leaf).dtype.kind != "f" for name in own for leaf in jax.tree.leaves(getattr(d, name))):
        d = replace(d, **{name: _floats(getattr(d, name)) for name in own})
    if not isfinite(arguments.number(d.alpha) or nan):
        raise InputError("alpha", arguments.shown(d.alpha), "must be a finite number other than 0")
    d = _as_rows(d)
    x = _inputs("x", d.x)
    weights, eps = _array("weights", d.weights), _array("eps", d.eps)
    if weights.shape != (len(x),) or weights.dtype.kind != "f" or not abs(float(weights.sum()) - 1) < 1e-6:
        raise InputError("weights", arguments.shown(d.weights), f"must be {len(x)} numbers that sum to 1")
    if eps.ndim != 1 or not len(eps) or eps.dtype.kind not in "fi" or not np.all((eps >= 0) & np.isfinite(eps)):
        raise InputError("eps", arguments.shown(d.eps), "must be finite numbers ≥ 0, one axis of them")
    width = width_of(d.network, d.theta0, x)
    _require_weights("outputs", d.outputs, width)
    if isinstance(d.trait, LabelledTrait | TargetTrait):
        _require_examples(d.trait, x.shape[1:], width)
    arrays: dict[str, Any] = {"weights": weights, "eps": _floats(eps), "outputs": _floats(_array("outputs", d.outputs))}
    return replace(d, **arrays)


def require_like(field: str, part: Any, params: Params, of: str) -> None:
    """Raise InputError on `field` unless this is a pytree of finite numbers, shaped like the parameters."""
    if Layout.of(part) != Layout.of(params):
        raise InputError(field, _shapes(part), f"must be like {of}, {_shapes(params)}")
    for path, leaf in jax.tree_util.tree_leaves_with_path(part):
        found = _array(field, leaf)
        if not np.isfinite(found).all():
            where = f"{found[~np.isfinite(found)].flat[0]} at {jax.tree_util.keystr(path)}"
            raise InputError(field, where, "must be finite")


def width_of(network: Any, params: Params, x: np.ndarray, field: str = "network") -> int:
    """The number of logits. Raises InputError on `field` for a network that does not take parameters and inputs."""
    layout = Layout.of(params)
    try:
        return output_shape(network, layout, x.shape[1:], x.dtype.str)[-1]
    except Exception as error:
        wanted = f"must take parameters {_shapes(params)} and inputs of shape {x.shape[1:]} ({first_line(error)})"
        raise InputError(field, arguments.shown(getattr(network, "name", network)), wanted) from error


def _array(field: str, value: Any) -> np.ndarray:
    """Numbers as an array. Raises InputError on `field` for what are none."""
    try:
        found = np.asarray(value)
    except Exception as error:
        raise InputError(field, arguments.shown(value), f"must be an array ({first_line(error)})") from error
    if found.dtype.kind not in "fiub":
        raise InputError(field, arguments.shown(value), "must be an array of numbers")
    return found


def _inputs(field: str, value: Any) -> np.ndarray:
    found = _array(field, value)
    if found.ndim < 1 or not len(found) or not np.isfinite(found).all():
        raise InputError(field, arguments.shown(value), "must be finite numbers, the first axis counting inputs")
    return found


def _require_examples(trait: LabelledTrait | TargetTrait, example: tuple[int, ...], width: int) -> None:
    """Raise InputError on the part of a trait of examples that does not fit inputs and outputs of the network."""
    x = _inputs("trait.x", trait.x)
    if x.shape[1:] != example:
        raise InputError("trait.x", f"inputs of shape {x.shape[1:]}", f"must be inputs of shape {example}, as x")
    _require_weights("trait.outputs", trait.outputs, width)
    if isinstance(trait, TargetTrait):
        targets = _array("trait.targets", trait.targets)
        if targets.shape != (len(x), width) or not np.isfinite(targets).all():
            wanted = f"must be finite numbers of shape {(len(x), width)}"
            raise InputError("trait.targets", arguments.shown(trait.targets), wanted)
        return
    labels = _array("trait.labels", trait.labels)
    if labels.dtype.kind not in "iu" or labels.shape != (len(x),):
        raise InputError("trait.labels", arguments.shown(labels), "must be one whole number for each example")
    if np.any((labels < 0) | (labels >= width)):
        raise InputError("trait.labels", int(labels.max()), f"must lie in 0 ... {width - 1}")


def _require_weights(field: str, w: Any, width: int) -> None:
    """Raise InputError unless these are weights ≥ 0 of the outputs, and no indices."""
    found = _array(field, w)
    if found.shape != (width,) or found.dtype.kind not in "fb" or not np.all(found >= 0):
        raise InputError(field, arguments.shown(w), f"must be {width} weights, floats ≥ 0: 1 on the logits that count")


def _floats(params: Params) -> Params:
    return jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)


def _shapes(params: Any) -> str:
    return arguments.shown(jax.tree.map(np.shape, params), 200)


def _as_rows(d: Distillation) -> Distillation:
    """The same distillation with its inputs as rows, if they are structured."""
    trait: Any = d.trait
    several: dict[str, Any] = {"x": d.x}
    if isinstance(trait, LabelledTrait | TargetTrait):
        several["trait"] = trait.x
    if not any(_structured(one) for one in several.values()):
        return d
    network, rows = packed(d.network, {field: rows_of(field, x) for field, x in several.items()})
    arrays: dict[str, Any] = {"x": rows["x"]}
    if "trait" in rows:
        arrays["trait"] = replace(trait, x=rows["trait"])
    return replace(d, network=network, **arrays)


def _structured(x: Any) -> bool:
    """Whether inputs are no array."""
    return not hasattr(x, "dtype")
