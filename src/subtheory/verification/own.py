"""Verify the theory on a network of your own, in one call."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax.numpy as jnp
import numpy as np

from subtheory import session
from subtheory.claim import Claim
from subtheory.claims import CLAIMS
from subtheory.errors import InputError
from subtheory.init import Units
from subtheory.kernels.source import Given
from subtheory.networks.adapters import adapt
from subtheory.networks.precision import require_float64, upcast
from subtheory.numerics import float64
from subtheory.provenance import provenance
from subtheory.setting.setting import Setting, ladder
from subtheory.setting.teachers import TEACHERS, Invisible
from subtheory.suggest import choose
from subtheory.theory.losses import LOSSES, CrossEntropy, Loss, SquaredError
from subtheory.theory.network import Network, Params
from subtheory.theory.trait import FunctionTrait, LabelledTrait, Trait
from subtheory.verification.plan import Progress
from subtheory.verification.results import Verification
from subtheory.verification.verdicts import verify_settings, verify_without


@dataclass(frozen=True, eq=False)
class Own(Given):
    """A user's parameters, inputs and trait; every seed draws a random subset of the inputs."""

    def inputs(self, channel: Any, seed: int, n: int) -> np.ndarray:
        x = np.asarray(self.x)
        return x[np.random.default_rng((seed, 2)).permutation(len(x))[:n]]


def verify(
    model: Any,
    params: Params = None,
    *,
    trait: Callable[[Params], Any] | tuple[Any, Any],
    channel: Any,
    loss: str | Loss | Sequence[str | Loss] | None = None,
    claims: str | Iterable[str] | None = None,
    outputs: str | tuple[int, ...] = "all",
    eps: float = 1e-2,
    seeds: int = 4,
    examples: int = 32,
    without: str | None = None,
    units: Sequence[Units] = (),
    progress: Progress | None = None,
) -> Verification:
    """Check the theory's claims on your network, with every assumption broken in turn.

    model, params: a pure `apply(params, x)` of **one** example with its parameters, a pair
    `(init, apply)`, or a Flax Linen or NNX module (see `subtheory.networks.adapt`).
    trait: what the teacher is trained on, a function of the parameters, or labelled examples
    (x of shape (n, ...), integer labels (n,)). channel: inputs on which the student imitates,
    (N, ...). loss: names or objects, default squared error and cross-entropy. outputs: "all" or
    the indices of the distilled logits. eps: largest relative change of outputs or parameters that
    the teacher makes. seeds: runs per setting; the parameters stay, teachers and inputs vary.
    without: the name of one assumption to break, instead of checking with all in force. units: which
    entries belong to one hidden unit (`subtheory.init.Units`), for the claims about permuted and
    rescaled inits. The first call shows a line of progress and keeps compiled programs on disk;
    `subtheory.configure` turns both off.

    Returns a `Verification`: `ok`, `result["alignment-is-ggn-form"]`, `summary()`, `to_dict()`,
    `to_latex()`, and a table in notebooks. Float32 parameters are upcast, which `messages` tells.

    Raises InputError, naming the field and the value, for numbers that are not finite, shapes that
    do not fit, empty data, unknown names, ε ≤ 0, and networks that compute in float32.
    """
    session.keep_programs()
    session.Programs.listen()
    network, theta0 = adapt(model, params)
    theta0, message = upcast(theta0)
    x = _inputs("channel", channel)
    require_float64(network, theta0, x[0])
    width = _width(network, theta0, x[0])
    given = Own(theta0, x, _trait(trait, network, theta0, width), width, other=network.init, units=tuple(units))
    if seeds < 1:
        raise InputError("seeds", seeds, "must be at least 1")
    if not (isinstance(eps, int | float) and np.isfinite(eps) and eps > 0):
        raise InputError("eps", eps, "must be a positive number")
    base = Setting(network, outputs=outputs, source=given, eps=ladder(eps), examples=min(examples, len(x)))
    given.weights(outputs)
    # With every logit distilled there is nothing that only undistilled outputs would see.
    teachers = [teacher for teacher in TEACHERS.values() if teacher != Invisible() or outputs != "all"]
    grid = [replace(base, loss=one, teacher=teacher) for one in _losses(loss) for teacher in teachers]
    chosen = _claims(claims, grid)
    numbers = range(seeds)
    progress = progress or session.report("verify")
    if without is None:
        found = verify_settings(chosen, grid, numbers, progress)
    else:
        found = verify_without(without, chosen, grid, numbers, progress)
    messages = (message,) if message else ()
    return replace(found, messages=messages, provenance=provenance(numbers))


def _inputs(field: str, values: Any) -> np.ndarray:
    """Channel or trait inputs as NumPy, floats in float64."""
    x = np.asarray(values)
    if x.ndim < 1 or len(x) == 0:
        raise InputError(field, f"shape {x.shape}", "must hold at least one input along its first axis")
    if x.dtype.kind == "f":
        x = x.astype(np.float64)
    if x.dtype.kind not in "fiu":
        raise InputError(field, f"dtype {x.dtype}", "must hold numbers")
    if not np.isfinite(x).all():
        raise InputError(field, x[~np.isfinite(x)].flat[0], "must be finite")
    return x


def _width(network: Network, params: Params, x: np.ndarray) -> int:
    """Number of logits, from the shape of the outputs; the values must be finite."""
    with float64():
        z = np.asarray(network.apply(params, jnp.asarray(x)))
    if not np.isfinite(z).all():
        raise InputError("apply", z[~np.isfinite(z)].flat[0], "must return finite outputs")
    return int(z.shape[-1])


def _trait(trait: Any, network: Network, params: Params, width: int) -> Trait:
    """L_T from a function of the parameters or from labelled examples."""
    if callable(trait):
        with float64():
            value = np.asarray(FunctionTrait(trait).loss(network.apply, params))
        if value.shape != () or not np.isfinite(value):
            raise InputError("trait", value if value.shape == () else f"shape {value.shape}", "must be a finite number")
        return FunctionTrait(trait)
    if not (isinstance(trait, tuple) and len(trait) == 2):
        raise InputError("trait", type(trait).__name__, "must be a function of the parameters, or (inputs, labels)")
    x, labels = _inputs("trait", trait[0]), np.asarray(trait[1])
    if labels.shape != (len(x),) or labels.dtype.kind not in "iu":
        raise InputError("trait", f"labels of shape {labels.shape}", f"needs {len(x)} integer labels")
    if np.any((labels < 0) | (labels >= width)):
        off = labels[(labels < 0) | (labels >= width)]
        raise InputError("trait", int(off[0]), f"labels must lie in 0 ... {width - 1}")
    return LabelledTrait(x, labels.astype(np.int32), np.ones(width))  # type: ignore[arg-type]


def _losses(loss: Any) -> list[Loss]:
    """Loss objects from names, objects, or nothing."""
    if loss is None:
        return [SquaredError(), CrossEntropy()]
    several = [loss] if isinstance(loss, str | Loss) else list(loss)
    return [choose("loss", one, LOSSES) if isinstance(one, str) else one for one in several]


def _claims(names: Any, grid: Sequence[Setting]) -> list[Claim]:
    """Claims by name; if none is named, all that speak of this network rather than of constructed ones."""
    if names is None:
        return [c for c in CLAIMS.values() if (c.spread or not c.settings) and any(map(c.applies, grid))]
    return [choose("claim", name, CLAIMS) for name in ([names] if isinstance(names, str) else names)]
