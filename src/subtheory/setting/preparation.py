"""From the coordinates of a run to its arrays: data, inits, the teacher's direction and ε, the student's start.

The one cache of a verification: what several settings share is drawn and computed once.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any, Protocol

import jax
import numpy as np

from subtheory import arguments
from subtheory.data import Channel
from subtheory.errors import InputError
from subtheory.init import Path, Start, apart
from subtheory.kernels import draws
from subtheory.kernels.compiled import Kernels
from subtheory.kernels.draws import Seeds, data, foreign, inits, layout_of, normals, repeated
from subtheory.kernels.functions import output_shape
from subtheory.kernels.source import Source
from subtheory.kernels.stack import OnChannel, Stack, on_channel, one
from subtheory.setting.smallness import first_order_up_to, scales
from subtheory.setting.student import Along, Elsewhere, Redrawn, Student
from subtheory.setting.teachers import Teacher
from subtheory.theory.distillation import Distillation
from subtheory.theory.layout import Layout
from subtheory.theory.losses import Loss
from subtheory.theory.network import Network
from subtheory.theory.trait import LabelledTrait
from subtheory.theory.views import View


class Coordinates(Protocol):
    """What a `subtheory.setting.setting.Setting` has."""

    @property
    def network(self) -> Network: ...
    @property
    def loss(self) -> Loss: ...
    @property
    def channel(self) -> Channel | None: ...
    @property
    def outputs(self) -> Any: ...
    @property
    def teacher(self) -> Teacher: ...
    @property
    def eps(self) -> tuple[float, ...]: ...
    @property
    def relative(self) -> bool: ...
    @property
    def alpha(self) -> float: ...
    @property
    def examples(self) -> int: ...
    @property
    def trait_examples(self) -> int: ...
    @property
    def view(self) -> View: ...
    @property
    def student(self) -> Student: ...
    @property
    def subtracted(self) -> bool: ...
    @property
    def origin(self) -> Source: ...


# Stacks -------------------------------------------------------------------------------------------


@lru_cache(maxsize=16)
def at_rest(
    network: Network, source: Source, channel: Channel | None, outputs: Any, examples: int, trait_examples: int,
    seeds: Seeds,
) -> tuple[Stack, np.ndarray]:  # fmt: skip
    """The theorem's own distillations with Δ = 0 and no ε yet, and independent inits (S, P)."""
    x, trait = data(source, channel, examples, trait_examples, seeds)
    layout, theta0, other = inits(network, source, seeds)
    stack = Stack(
        theta0=theta0,
        student=theta0,
        delta=np.zeros_like(theta0),
        x=x,
        weights=np.full(x.shape[:2], 1.0 / x.shape[1]),
        outputs=np.asarray(source.weights(outputs), np.float64),
        eps=np.zeros((len(seeds), 0)),
        trait=trait,
        alpha=1.0,
        functions=Kernels(network, layout, x.shape[2:]),
    )
    return stack, other


def resting(c: Coordinates, seeds: Seeds) -> tuple[Stack, np.ndarray]:
    """`at_rest` of some coordinates. Raises InputError for no seeds, or seeds outside 0 ... 2³² − 1."""
    if not seeds:
        raise InputError("seeds", "none", "must be at least one")
    for seed in seeds:
        if arguments.integer(seed) is None:
            raise InputError("seeds", arguments.shown(seed), "must be a whole number")
        if not 0 <= seed < 2**32:
            raise InputError("seeds", seed, "must lie in 0 ... 4294967295")
    return at_rest(*_place(c), seeds)


def start(c: Coordinates, seeds: Seeds) -> Start:
    """What a path of `subtheory.init` leaves from. Raises InputError for seeds outside 0 ... 2³² − 1."""
    resting(c, seeds)
    return _begun(_place(c), seeds)


def outline(c: Coordinates) -> Start:
    """A `start` of one seed that shows shapes alone: every number is 0, and nothing is drawn."""
    layout = layout_of(c.network, c.origin)
    x, trait = draws.outline(c.origin, c.channel, c.examples, c.trait_examples)
    theta, outputs = np.zeros((1, layout.size)), np.asarray(c.origin.weights(c.outputs), np.float64)
    return Start(theta, theta, x, outputs, trait, Kernels(c.network, layout, x.shape[2:]))


def _place(c: Coordinates) -> tuple[Any, ...]:
    """The arguments of `at_rest`."""
    return c.network, c.origin, c.channel, c.outputs, c.examples, c.trait_examples


@lru_cache(maxsize=16)
def _begun(place: tuple[Any, ...], seeds: Seeds) -> Start:
    """One object, so that what a path finds out about a start is found out once."""
    rest, other = at_rest(*place, seeds)
    return Start(rest.theta0, other, rest.x, rest.outputs, rest.trait, rest.functions)  # type: ignore[arg-type]


def path_keys(seeds: Seeds) -> list[tuple[int, int]]:
    """Of the draws of a path."""
    return [(seed, 6) for seed in seeds]


@lru_cache(maxsize=32)
def _walked(place: tuple[Any, ...], path: Path, amount: float, seeds: Seeds) -> tuple[np.ndarray, np.ndarray, Any]:
    """θ0_S, θ0_T and the metric that is carried along, where a path leads; `place` are the arguments of `at_rest`."""
    begin = _begun(place, seeds)
    student, teacher = apart(path, begin, amount, path_keys(seeds))
    return student, teacher, path.metric(begin, amount, path_keys(seeds))


@lru_cache(maxsize=32)
def _direction(
    place: tuple[Any, ...], teacher: Teacher, fork: tuple[Path, float] | None, seeds: Seeds
) -> tuple[np.ndarray, np.ndarray, np.ndarray, OnChannel]:
    """Δ (S, P), the relative scale of ε and the first kink (S,), what is seen of Δ; `fork` moves the teacher's init."""
    rest, _ = at_rest(*place, seeds)
    if fork is not None:
        rest = replace(rest, theta0=_walked(place, *fork, seeds)[1])
    layout, source = rest.functions.layout, place[1]
    numbers = partial(normals, layout.size, seeds)
    if teacher.name == "given":
        if getattr(source, "delta", None) is None:
            raise InputError("teacher", repr(teacher.name), "needs a direction of its own in the source")
        given = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), source.delta)
        delta = repeated(layout.flatten(given), len(seeds))
    else:
        delta = teacher.direction(rest, lambda: numbers()[:, 0])
    mask = teacher.moves.mask(layout, lambda: numbers()[:, 1])
    if mask is not None:
        delta = delta * mask
    rest = replace(rest, delta=delta)
    known = on_channel(rest)
    return delta, *scales(replace(rest, known=known)), known


def stack(c: Coordinates, seeds: Seeds) -> Stack:
    """The distillations of every seed, with the parts of the coordinates applied.

    Raises InputError for seeds outside 0 ... 2³² − 1, and for a path that the network does not fit.
    """
    rest, other = resting(c, seeds)
    place = _place(c)
    init, layout = c.student.init, rest.functions.layout
    changed: dict[str, Any] = {"view": c.view, "rule": c.student.rule, "alpha": c.alpha}
    fork = None
    if isinstance(init, Redrawn):
        changed["student"] = other
    elif isinstance(init, Along):
        student, moved, metric = _walked(place, init.path, init.amount, seeds)
        changed |= {"student": student, "metric": metric}
        if type(init.path).teacher is not Path.teacher:  # the teacher starts elsewhere too
            fork = (init.path, init.amount)
            changed["theta0"] = moved
    elif isinstance(init, Elsewhere):
        own, theta = foreign(init.network, seeds)
        changed |= {"student": theta, "other": Kernels(init.network, own, rest.x.shape[2:])}
        shapes = [output_shape(n, where, rest.x.shape[2:], rest.x.dtype.str) for n, where in
                  ((c.network, layout), (init.network, own))]  # fmt: skip
        if shapes[0] != shapes[1]:
            raise InputError("student", f"outputs {shapes[1]}", f"must have the teacher's outputs {shapes[0]}")
    else:
        changed["student"] = rest.theta0
    delta, scale, kink, changed["known"] = _direction(place, c.teacher, fork, seeds)
    eps = np.asarray(c.eps) * (scale[:, None] if c.relative else np.ones((len(seeds), 1)))
    # ε stays below the first kink of a ReLU network, where it is a polynomial in ε.
    if c.relative:
        eps = eps * np.minimum(1.0, 0.5 * kink[:, None] / eps[:, :1])
    trains = c.student.trains.mask(layout, lambda: normals(layout.size, seeds)[:, 1])
    if trains is not None:
        changed["trains"] = np.broadcast_to(trains, rest.theta0.shape)
    return replace(rest, delta=delta, eps=eps, **changed)


def started(c: Coordinates, seeds: Seeds, losses: Sequence[Loss]) -> list[tuple[Stack, list[Loss]]]:
    """Stacks with all losses for which their ε are small: one for most, another for a loss to which Δ is hard to see.

    ε that are absolute stay as they are.
    """
    s = stack(c, seeds)
    if not c.relative:
        return [(s, list(losses))]
    found: list[tuple[Stack, list[Loss]]] = [(s, [])]
    for loss in losses:
        eps = s.eps * np.minimum(1.0, first_order_up_to(s, loss) / s.eps[:, 0])[:, None]
        if np.array_equal(eps, s.eps):
            found[0][1].append(loss)
        else:
            found.append((replace(s, eps=eps), [loss]))
    return [(s, own) for s, own in found if own]


def reference(s: Stack) -> Any:
    """Inputs at which Δ must do something for a zero branch not to be vacuous: the trait's, (S, n, *example)."""
    return s.trait.x if isinstance(s.trait, LabelledTrait) else s.x


def stacked(several: Sequence[Distillation]) -> Stack:
    """Distillations of one network, view and rule as one stack, in NumPy."""
    d = several[0]
    layout = Layout.of(d.theta0)

    def flat(name: str) -> Any:
        each = [jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), getattr(d, name)) for d in several]
        return None if each[0] is None else np.stack([layout.flatten(tree) for tree in each])

    def joined(name: str) -> Any:
        return jax.tree.map(
            lambda *leaves: np.stack([np.asarray(leaf) for leaf in leaves]), *(getattr(d, name) for d in several)
        )

    theta0, student, trains = flat("theta0"), flat("student"), flat("trainable")
    return Stack(
        theta0=theta0,
        student=theta0 if np.array_equal(theta0, student) else student,
        delta=flat("delta"),
        x=joined("x"),
        weights=joined("weights"),
        outputs=np.asarray(d.outputs, np.float64),
        eps=joined("eps"),
        trait=joined("trait"),
        alpha=joined("alpha"),
        trains=None if np.all(trains == 1) else trains,
        metric=flat("metric"),
        functions=Kernels(d.network, layout, np.shape(d.x)[1:]),
        view=d.view,
        rule=d.rule,
    )


def distillation(c: Coordinates, seed: int) -> Distillation:
    """One run as pytrees, NumPy leaves.

    Raises InputError on "student" for one with an architecture of its own, on "subtracted" where that is off: a
    distillation does not say what is subtracted from it.
    """
    if not c.subtracted:
        raise InputError("subtracted", False, "must be on for a distillation")
    ((s, _),) = started(c, (seed,), [c.loss])
    s = one(s, 0)
    if s.other is not None:
        raise InputError("student", s.other.network.name, "must have the teacher's parameters")
    params = s.functions.layout.unflatten
    ones, alpha = np.ones_like(s.theta0), np.asarray(s.alpha, np.float64)
    return Distillation(
        theta0=params(s.theta0),
        student=params(s.student),
        delta=params(s.delta),
        x=s.x,
        weights=s.weights,
        outputs=s.outputs,
        eps=s.eps,
        trait=s.trait,
        alpha=alpha,  # type: ignore[arg-type]
        trainable=params(ones if s.trains is None else s.trains),
        metric=None if s.metric is None else params(s.metric),
        network=c.network,
        loss=c.loss,
        view=s.view,
        rule=s.rule,
    )
