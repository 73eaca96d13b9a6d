"""Verify the theory on a network of your own, in one call."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from subtheory import arguments, session
from subtheory.claim import Claim
from subtheory.claims import CLAIMS
from subtheory.claims.assumptions import SHARED_INIT
from subtheory.errors import InputError
from subtheory.init import Units, called
from subtheory.init.guessing import between, guessed, require_kept
from subtheory.kernels.compiled import Kernels
from subtheory.kernels.functions import output_shape
from subtheory.kernels.source import Given
from subtheory.ledger.parts import Progress
from subtheory.networks import adapt, refuse_narrow, upcast
from subtheory.networks.derivatives import differentiated, rules
from subtheory.networks.inputs import example_of, packed, rows_of
from subtheory.networks.tracing import traced
from subtheory.networks.usable import require_pure, usable
from subtheory.numerics import require_eager
from subtheory.provenance import provenance
from subtheory.setting.setting import Setting, ladder
from subtheory.setting.teachers import TEACHERS, Invisible
from subtheory.suggest import choose
from subtheory.theory.losses import CrossEntropy, Loss, SquaredError
from subtheory.theory.network import Network, Params
from subtheory.theory.trait import FunctionTrait, LabelledTrait
from subtheory.verification.finite import require_derivative, require_finite, require_slope
from subtheory.verification.inits import Independent, independent
from subtheory.verification.losses import Stated, losses_of, settled
from subtheory.verification.results import Verification
from subtheory.verification.verdicts import verify_settings, verify_without


@dataclass(frozen=True, eq=False)
class Own(Given):
    """A user's parameters, inputs and trait; a seed draws a random subset of the inputs, and an independent init."""

    draw: Callable[[int], Params] = lambda seed: None
    groups: Mapping[Any, tuple[int, ...]] = field(default_factory=dict)
    """Distilled logits by the name of their group."""

    def weights(self, distilled: Any) -> np.ndarray:
        return super().weights(self.groups.get(distilled, distilled))

    def inputs(self, channel: Any, seed: int, n: int) -> np.ndarray:
        x = np.asarray(self.x)
        return x[np.random.default_rng((seed, 2)).permutation(len(x))[:n]]

    def another(self, seed: int) -> Params:
        """An independent init, which has been looked at."""
        return self.draw(seed)


def verify(
    model: Any,
    params: Params = None,
    *,
    trait: Callable[[Params], Any] | Sequence[Any],
    channel: Any,
    loss: Any = None,
    claims: str | Claim | Iterable[str | Claim] | None = None,
    outputs: Any = "all",
    eps: float = 1e-2,
    seeds: int | Iterable[int] = 4,
    seed: int = 0,
    init: Callable[[Array], Params] | Sequence[Params] | None = None,
    examples: int = 32,
    without: str | None = None,
    units: Sequence[Units] | None = None,
    progress: Progress | None = None,
) -> Verification:
    """Check the theory's claims on your network, with every assumption broken in turn.

    model, params: a pure `apply(params, x)` of **one** example with its parameters, a pair
    `(init, apply)`, or a Flax Linen or NNX module (see `subtheory.networks.adapt`).
    trait: what the teacher is trained on, a function of the parameters, or labelled examples
    (x of shape (n, ...), integer labels (n,)). channel: inputs on which the student imitates,
    (N, ...), or a pytree of arrays with one leading axis, as in `jax.vmap`; those of the trait are
    like them. loss: names, objects, or functions l(z, y) of one example's outputs (docs/own-network.md
    says what is looked at first); default squared error and cross-entropy. claims: names or objects.
    outputs: "all", or the distilled logits by indices, a mask of truth values, or a group of your own,
    `{"aux": [3, 4, 5]}`. eps: largest
    relative change of outputs or parameters that the teacher makes. seeds: runs per setting, from `seed` on, or a
    list of seeds; the parameters stay, teachers and inputs vary. init: where an independent init comes from, for the
    assumption of a shared init and the claims about two: a function of a key, or a list of parameter sets, one for each
    seed; default the model's own init if it is a pair or a `Network`, else the entries of each leaf of the parameters
    in another order; `messages` tells which, and what of it is as in params. without: the name of one assumption to
    break, instead of checking with all in force. units: which entries belong to one hidden unit
    (`subtheory.init.Units`), for the claims about permuted and rescaled inits; if None they are guessed, and said in
    `messages`. The first call shows
    a line of progress and keeps compiled programs on disk; `subtheory.configure` turns both off.

    Returns a `Verification`: `ok`, `result["alignment-is-ggn-form"]`, `rows`, `summary()`, `to_dict()`,
    `to_pandas()`, `to_latex()`, `plot()`, `save(path)`, and a table in notebooks. Float32 parameters
    are upcast, which `messages` tells.

    Raises InputError, naming the field and the value, for numbers that are not finite (of the
    arguments, the outputs, the trait loss or a derivative of them), shapes that do not fit, empty data,
    unknown names, ε ≤ 0, and for a model that is in training mode, draws random numbers, has no derivative, or
    computes in float32.
    """
    listen("verify", progress)
    with np.errstate(all="ignore"):
        numbers = arguments.seeds(seeds, first=seed)
        sizes = ladder(arguments.positive("eps", eps))
        own = prepared(
            model, params, trait=trait, channel=channel, losses=losses_of(loss, (SquaredError(), CrossEntropy())),
            outputs=outputs, eps=sizes, seeds=numbers, init=init, examples=examples, units=units,
        )  # fmt: skip
        # With every logit distilled there is nothing that only undistilled outputs would see.
        teachers = [t for t in TEACHERS.values() if t != Invisible() or not own.whole]
        grid = [replace(setting, teacher=teacher) for setting in own.settings for teacher in teachers]
        chosen = _claims(claims, grid)
        progress = progress or session.report("verify")
        if without is None:
            found = verify_settings(chosen, grid, numbers, progress)
        else:
            choose("without", without, {a.name: a for claim in chosen for a in claim.assumptions})
            found = verify_without(without, chosen, grid, numbers, progress)
            if not found.claims:
                why = f": {own.another.fixed}" if own.another.fixed and without == SHARED_INIT.name else ""
                raise InputError("without", repr(without), f"cannot be broken on this network{why}")
    told = provenance(numbers) | {"independent init": own.another.said}
    return replace(found, messages=own.messages, provenance=told)


def listen(verb: str, progress: Progress | None) -> None:
    """What a call on a network of one's own begins with. Raises InputError where JAX traces it, and on "progress"."""
    require_eager(verb)
    if not (progress is None or callable(progress)):
        raise InputError("progress", arguments.shown(progress), "must be a function of (done, total, text)")
    session.keep_programs()
    session.Programs.listen()


@dataclass(frozen=True)
class Prepared:
    """A network of one's own as settings, one a loss, all under the theorem's teacher."""

    settings: list[Setting]
    another: Independent
    whole: bool
    """Whether every logit is distilled."""
    messages: tuple[str, ...]


def prepared(
    model: Any, params: Params, *, trait: Any, channel: Any, losses: list[Loss | Stated], outputs: Any,
    eps: tuple[float, ...], seeds: tuple[int, ...], init: Any, examples: int, units: Sequence[Units] | None,
) -> Prepared:  # fmt: skip
    """What `verify` is given, read and looked at once; it raises what `verify` raises of it."""
    network, given = adapt(model, params)
    theta0, message = upcast(given)
    another = independent(model, network, given, init, seeds)
    network, source, width = _source(network, theta0, another, trait, channel, units)
    distilled, groups = _distilled(outputs, width)
    source = replace(source, groups=groups)
    count = min(arguments.whole("examples", examples), len(source.x))
    base = Setting(network, outputs=distilled, source=source, eps=eps, examples=count)
    functions, weights = Kernels.of(network, theta0, source.x[0]), source.weights(distilled)
    known, said = settled(losses, functions, functions.layout.flatten(theta0), source.x, weights)
    named = [f"outputs: {name} is {', '.join(map(str, logits))}" for name, logits in groups.items()]
    notes = (*another.notes, *named, *said, f"independent init: {another.said}")
    messages = (*filter(None, [message]), *notes, *_parts(functions, source.x, source.units, units is not None))
    return Prepared([replace(base, loss=one) for one in known], another, bool(weights.all()), messages)


def _source(
    network: Network, theta0: Params, another: Independent, trait: Any, channel: Any, units: Sequence[Units] | None
) -> tuple[Network, Own, int]:
    """The network as its functions take it, what is known of it, looked at once, and the number of its logits."""

    def accepts(example: Any) -> bool:
        try:
            traced("apply", network.apply, theta0, example)
        except InputError:
            return False
        return True

    rows = {"channel": rows_of("channel", channel, accepts)}
    labels = None
    if not callable(trait):
        if not (isinstance(trait, tuple | list) and len(trait) == 2):
            shown = type(trait).__name__
            raise InputError("trait", shown, "must be a function of the parameters, or (inputs, labels)")
        rows["trait"], labels = rows_of("trait", trait[0], accepts), np.asarray(trait[1])
    for one in units if isinstance(units, list | tuple) else [] if units is None else [units]:
        if not isinstance(one, Units):
            raise InputError("units", arguments.shown(one), "must be of subtheory.init.Units")
    network, custom = usable(network, theta0, example_of(rows["channel"]))
    network, inputs = packed(network, rows)
    functions = Kernels.of(network, theta0, inputs["channel"][0])
    width = output_shape(network, functions.layout, functions.example, inputs["channel"].dtype.str)[-1]
    learned: FunctionTrait | LabelledTrait
    learned, of_trait = _function(trait, theta0) if labels is None else (_labelled(inputs["trait"], labels, width), [])
    theta = functions.layout.flatten(theta0)
    require_finite(functions, theta, inputs, learned)
    if custom:
        require_derivative(functions, theta, inputs, custom)
    if of_trait:
        require_slope(functions, theta, learned, of_trait)
    own = Own(
        theta0,
        inputs["channel"],
        learned,
        width,
        held=(*another.held.values(),),
        fixed=another.fixed,
        units=_units(functions, theta, inputs["channel"], units),
        draw=another.draw,
    )
    return network, own, width


def _units(functions: Kernels, theta: np.ndarray, x: np.ndarray, declared: Any) -> tuple[Units, ...]:
    """The units that are declared, or guessed where nobody has said: either way they may change places."""
    if declared is None:
        return guessed(functions, theta, x)
    require_kept(functions, theta, x, declared)
    return tuple(declared)


def _parts(functions: Kernels, x: np.ndarray, known: tuple[Units, ...], declared: bool) -> Iterator[str]:
    """What paths take for the head and for units, a line each."""
    params = functions.layout.unflatten(np.zeros(functions.layout.size))
    head = called(functions.network, params, np.zeros(functions.example, x.dtype))[-1]
    yield f"head: {head or 'all parameters'}"
    ground = "declared, checked" if declared else "guessed, checked"
    for group in known:
        signs = {
            "tanh": ", signs may flip",
            "relu": ", may be stretched",
            "linear": ", signs may flip, may be stretched",
        }
        yield f"units: {between(group)} ({ground}{signs.get(group.activation, '')})"
    if not known:
        yield "units: none " + ("declared" if declared else "found: name them by units=")


def _distilled(outputs: Any, width: int) -> tuple[str | tuple[int, ...], dict[str, tuple[int, ...]]]:
    """The outputs of a setting, and the logits of the group that they name, if it is the user's own."""
    if not isinstance(outputs, Mapping):
        return arguments.outputs(outputs, width), {}
    if len(outputs) != 1:
        raise InputError("outputs", arguments.shown(outputs), "must be one group, a name with its logits")
    ((name, logits),) = outputs.items()
    if not isinstance(name, str) or name == "all" or not name.strip():
        raise InputError("outputs", arguments.shown(name), "must have a name other than 'all' for its group")
    some = arguments.outputs(logits, width, f"outputs {name!r}")
    if isinstance(some, str):
        raise InputError("outputs", arguments.shown(logits), f"must give the logits of {name!r} by indices or a mask")
    return name, {name: some}


def _function(trait: Callable[[Params], Any], theta0: Params) -> tuple[FunctionTrait, list[str]]:
    """L_T as a function of the parameters: pure, a number in float64, with a derivative; and its custom ones."""
    name = getattr(trait, "__name__", type(trait).__name__)
    program = traced("trait", trait, theta0, wanted="must be a function of the parameters", given=name)
    require_pure(program, traced("trait", trait, theta0), "trait")
    refuse_narrow(program, "trait")
    if [(out.shape, out.dtype) for out in program.out_avals] != [((), np.float64)]:
        got = ", ".join(f"{out.dtype}{list(out.shape)}" for out in program.out_avals)
        raise InputError("trait", got or "nothing", "must be a finite number, float64 of shape ()")
    slope = differentiated("trait", jax.grad(lambda theta: jnp.asarray(trait(theta))), program, theta0)
    refuse_narrow(slope, "derivative of trait")
    return FunctionTrait(trait), rules(program)


def _labelled(x: np.ndarray, labels: np.ndarray, width: int) -> LabelledTrait:
    """L_T from labelled examples."""
    if labels.shape != (len(x),) or labels.dtype.kind not in "iu":
        got = f"labels of shape {labels.shape} and dtype {labels.dtype}"
        raise InputError("trait", got, f"needs {len(x)} integer labels")
    if np.any((labels < 0) | (labels >= width)):
        off = labels[(labels < 0) | (labels >= width)]
        raise InputError("trait", int(off[0]), f"labels must lie in 0 ... {width - 1}")
    return LabelledTrait(x, labels.astype(np.int32), np.ones(width))  # type: ignore[arg-type]


def _claims(names: Any, grid: Sequence[Setting]) -> list[Claim]:
    """Claims by name; if none is named, all that speak of this network rather than of constructed ones."""
    if names is None:
        return [c for c in CLAIMS.values() if (c.spread or not c.settings) and any(map(c.applies, grid))]
    listed = None if isinstance(names, str | Claim) else arguments.entries(names)
    several = [names] if listed is None else listed
    for one in several:
        if not isinstance(one, str | Claim):
            raise InputError("claims", arguments.shown(one), "must be names of claims, or claims")
    found = {c.name: c for c in (choose("claim", one, CLAIMS) if isinstance(one, str) else one for one in several)}
    if not found:
        raise InputError("claims", arguments.shown(names), "must be at least one")
    return list(found.values())
