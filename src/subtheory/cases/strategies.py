"""Hypothesis strategies for theorists: networks, parameters, losses, channels, teachers, ε, and whole distillations.

    @given(sts.distillations(losses=["kl"]))
    def test_mine(d): assert (st.alignment(d) > 0).all()

A dozen small shapes at most, with a fixed number of examples each: a draw changes arrays and never
compiles, a new shape does. Entries are on a coarse grid, or from the initial law, so that they shrink.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, TypeVar

import jax
import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from subtheory.arguments import shown
from subtheory.cases.case import Case
from subtheory.claim import Assumption
from subtheory.data import GaussianNoise, RandomTokens, Task, UniformNoise
from subtheory.data.toys import toy
from subtheory.errors import InputError
from subtheory.kernels.functions import shapes_of
from subtheory.networks import BIAS_STD, MLP, ConvNet, Linear, LinenNetwork, Transformer
from subtheory.numerics import to_numpy_leaves
from subtheory.setting.setting import Setting, ladder
from subtheory.setting.student import Redrawn, Shared
from subtheory.setting.teachers import TEACHERS, Adversarial, Given, Random, Teacher
from subtheory.suggest import choose
from subtheory.theory.distillation import Distillation
from subtheory.theory.layout import Layout
from subtheory.theory.losses import LOSSES, Loss
from subtheory.theory.network import Network, Params
from subtheory.theory.trait import LabelledTrait, Trait

T = TypeVar("T")

INPUTS, TRAIT = 4, 5
"""Channel inputs and trait examples of every shape."""


POINTS, IMAGES, WORDS = toy((2,), 2, 2), toy((2, 2), 2, 2), toy((3,), 2, 2, tokens=4)
"""Tasks of four logits: the trait is read off the first two, the others are auxiliary."""

SHAPES: dict[str, LinenNetwork] = {
    "linear": Linear(task=POINTS),
    "tanh-3": MLP(3, 1, task=POINTS),
    "relu-3": MLP(3, 1, "relu", task=POINTS),
    "gelu-4": MLP(4, 1, "gelu", task=POINTS),
    "tanh-3-3": MLP(3, 2, task=POINTS),
    "softplus-8": MLP(8, 1, "softplus", task=POINTS),
    "relu-3-3": MLP(3, 2, "relu", task=POINTS),
    "convnet": ConvNet((2,), task=IMAGES),
    "transformer": Transformer(4, 1, 1, task=WORDS),
}
"""The networks of a search by name, smallest first; a counterexample file names one of them."""


def _some(field: str, chosen: Iterable[Any] | None, known: Mapping[str, T]) -> list[T]:
    """Things by name, or as they are; all that are known if none is chosen."""
    if chosen is None:
        return list(known.values())
    return [choose(field, one, known) if isinstance(one, str) else one for one in chosen]


def networks(chosen: Iterable[str | Network] | None = None) -> SearchStrategy[Network]:
    """One of the small `SHAPES`, or of those chosen by name or given as they are."""
    return st.sampled_from(_some("networks", chosen, SHAPES))


def losses(chosen: Iterable[str | Loss] | None = None) -> SearchStrategy[Loss]:
    """A built-in loss, or one of those chosen by name or given as they are."""
    return st.sampled_from(_some("losses", chosen, LOSSES))


FOLLOWING = ("gradient-descent", "random", "logit-shift", "invisible")
"""Teachers of a search by default: one step, any direction at all, and the two zero branches."""


def teachers(chosen: Iterable[str | Teacher] | None = None) -> SearchStrategy[Teacher]:
    """A teacher; by default one of `FOLLOWING`, else of those chosen by name or given as they are."""
    return st.sampled_from(_some("teachers", FOLLOWING if chosen is None else chosen, TEACHERS))


@st.composite
def ladders(draw: Callable[..., Any], largest: float = 1e-2, smallest: float = 1e-3) -> np.ndarray:
    """Sizes of the teacher's update, relative to the outputs: six values from `largest` downwards."""
    halvings = int(np.log2(largest / smallest))
    return np.asarray(ladder(largest * 0.5 ** draw(st.integers(0, max(halvings, 0)))))


@cache
def layout_of(network: Any) -> Layout:
    """How the parameters of a network lie in one vector (P,)."""
    return Layout.of(shapes_of(network))


KINDS = ("grid", "entries", "normal")
"""How arrays are drawn: on a grid by a seed (all zeros for seed 0), on it entry by entry, or normal by a seed."""


def _arrays(draw: Callable[..., Any], like: Any, spread: Callable[[Any], float] = lambda leaf: 1.0) -> Params:
    """Arrays of the given shapes: whole numbers up to 1, 2 or 8 (then quarters), or rounded normal ones.

    The smallest grids make coincidences common: zeros, equal entries, inputs on a kink.
    """
    leaves, tree = jax.tree.flatten(like)
    sizes = [int(np.prod(leaf.shape)) for leaf in leaves]
    kind = draw(st.sampled_from(KINDS))
    if kind == "normal":
        rng, scale = np.random.default_rng(draw(st.integers(0, 2**32 - 1))), 2.0 ** draw(st.integers(-2, 2))
        drawn = [np.round(256 * scale * spread(leaf) * rng.standard_normal(leaf.shape)) / 256 for leaf in leaves]
        return jax.tree.unflatten(tree, drawn)
    top = draw(st.sampled_from((1, 2, 8)))
    if kind == "grid":
        seed = draw(st.integers(0, 2**32 - 1))
        flat = (seed > 0) * np.random.default_rng(seed).integers(-top, top + 1, sum(sizes))
    else:
        flat = np.asarray(draw(st.lists(st.integers(-top, top), min_size=sum(sizes), max_size=sum(sizes))))
    parts = np.split(flat * (0.25 if top == 8 else 1.0), np.cumsum(sizes)[:-1])
    return jax.tree.unflatten(tree, [part.reshape(leaf.shape) for part, leaf in zip(parts, leaves, strict=True)])


def _law(leaf: Any) -> float:
    """Spread of the usual initial law: 1/√fan_in for matrices, less for biases."""
    return float(np.prod(leaf.shape[:-1]) ** -0.5) if len(leaf.shape) > 1 else BIAS_STD


@st.composite
def parameters(draw: Callable[..., Any], network: Network, initial: bool = True) -> Params:
    """Parameters of a network: entries on a coarse grid, or normal with the spread of an initial law.

    With `initial=False` the normal ones have spread 1, as a direction should.
    """
    return _arrays(draw, shapes_of(network), _law if initial else lambda leaf: 1.0)


@st.composite
def channels(draw: Callable[..., Any], network: Network, n: int = INPUTS) -> np.ndarray:
    """n inputs for a network: tokens, or points on a grid that has 0 on it, or Gaussian noise of some scale."""
    example = network.example  # type: ignore[attr-defined]
    like = jax.ShapeDtypeStruct((n, *example.shape), example.dtype)
    if np.dtype(example.dtype).kind != "f":
        size = n * int(np.prod(example.shape))
        top = len(network.task.vocabulary) - 1  # type: ignore[attr-defined]
        tokens = draw(st.lists(st.integers(0, top), min_size=size, max_size=size))
        return np.asarray(tokens, np.int32).reshape(like.shape)
    return np.asarray(_arrays(draw, like))


@st.composite
def traits(draw: Callable[..., Any], network: Network, n: int = TRAIT) -> LabelledTrait:
    """n labelled examples for the first two logits."""
    labels = draw(st.lists(st.integers(0, 1), min_size=n, max_size=n))
    task = network.task  # type: ignore[attr-defined]
    y: Any = np.asarray(labels, np.int32)
    return LabelledTrait(draw(channels(network, n)), y, task.weights("class"))


OUTPUTS: tuple[str | tuple[int, ...], ...] = ("aux", "all", "class", (0,), (3,), (1, 2))
"""Distilled outputs of a shape: groups of its task, or indices."""


def settings(
    networks: Iterable[str | Network] | None = None,
    losses: Iterable[str | Loss] | None = None,
    teachers: Iterable[str | Teacher] | None = None,
    outputs: Iterable[str | tuple[int, ...]] | None = None,
    without: Assumption | None = None,
) -> SearchStrategy[Setting]:
    """Settings of small shapes, for `subtheory.check`; `without` breaks an assumption.

    Raises InputError on "without" if that cannot be done by a change of setting.
    """
    return chosen(_broken(combinations(networks, losses, teachers, outputs), without))


def _broken(found: Iterable[Setting], without: Assumption | None) -> list[Setting]:
    """The settings, or what they become without an assumption."""
    if without is None:
        return list(found)
    broken = [changed for one in found if (changed := without.breaks(one)) is not None]
    if not broken:
        raise InputError("without", repr(without.name), "must be an assumption that a setting can break")
    return broken


def chosen(settings: Sequence[Setting]) -> SearchStrategy[Setting]:
    """One of the settings; nothing, if there is none."""
    return st.sampled_from(list(settings)) if settings else st.nothing()


def combinations(
    networks: Iterable[str | Network] | None = None,
    losses: Iterable[str | Loss] | None = None,
    teachers: Iterable[str | Teacher] | None = None,
    outputs: Iterable[str | tuple[int, ...]] | None = None,
) -> Iterable[Setting]:
    """Every combination of the chosen networks, losses, teachers and outputs as a setting."""
    several = _some("teachers", FOLLOWING if teachers is None else teachers, TEACHERS)
    for network in _some("networks", networks, SHAPES):
        if not isinstance(getattr(network, "task", None), Task):
            wanted = "must have a task, as the built-in ones: strategies draw arrays, no structured inputs"
            raise InputError("networks", shown(network), wanted)
        tokens = np.dtype(network.example.dtype).kind != "f"
        for channel in (RandomTokens(),) if tokens else (UniformNoise(), GaussianNoise()):
            for loss in _some("losses", losses, LOSSES):
                for teacher in several:
                    for distilled in OUTPUTS if outputs is None else outputs:
                        yield Setting(network, loss, channel, distilled, teacher, examples=INPUTS, trait_examples=TRAIT)


def distillations(
    networks: Iterable[str | Network] | None = None,
    losses: Iterable[str | Loss] | None = None,
    teachers: Iterable[str | Teacher] | None = None,
    outputs: Iterable[str | tuple[int, ...]] | None = None,
    without: Assumption | None = None,
) -> SearchStrategy[Distillation]:
    """Distillations with NumPy leaves: the theorem's own, unless `without` breaks an assumption.

    Names restrict what is drawn; networks, losses and teachers of your own are taken as they are (a network needs
    `task`, as the built-in ones have), and so are the view and the rule of what breaks an assumption. All ε are
    positive, relative, and below the first kink. Raises InputError on "without" if no case can have it broken.
    """
    found = _broken(combinations(networks, losses, teachers, outputs), without)
    if without is not None:
        found = [one for one in found if drawable(one)]
        if not found:
            raise InputError("without", repr(without.name), "must be broken by view, rule, mask or a redrawn init")
    return chosen(found).flatmap(cases).map(_whole)


def _whole(case: Case) -> Distillation:
    d = case.distillation()
    assume(np.all(np.isfinite(d.eps)) and np.all(d.eps > 0))
    return d


def drawable(setting: Setting) -> bool:
    """Whether `cases` draws it: the init shared or redrawn, a direction that follows, what is added subtracted."""
    own = isinstance(setting.student.init, Shared | Redrawn) and not isinstance(setting.teacher, Given)
    return own and setting.subtracted


@st.composite
def cases(draw: Callable[..., Any], setting: Setting, *, trait: Trait | None = None, rescaled: bool = False,
          kinks: bool = False) -> Case:  # fmt: skip
    """Free choices of distillations like `setting`, what a search moves; no Δ and no ε yet.

    `trait` replaces the labelled one; `rescaled` lets the student start at positive rescalings of the
    hidden units of a one-layer network; `kinks` lets θ0 sit on kinks of a ReLU. View and rule are the setting's.
    Raises InputError on "setting" for one that is not `drawable`.
    """
    if not drawable(setting):
        raise InputError("setting", setting.shown, "must have a shared or a redrawn init, and no direction given to it")
    network, student, teacher = setting.network, setting.student, setting.teacher
    layout = layout_of(network)
    zeros, ones, apart = np.zeros(layout.size), np.ones(layout.size), isinstance(student.init, Redrawn)

    @cache
    def numbers() -> np.ndarray:
        return flat(draw, network)

    theta0 = flat(draw, network)
    w = np.asarray(setting.origin.weights(setting.outputs), np.float64)
    counts = np.asarray(draw(st.lists(st.integers(0, 3), min_size=INPUTS, max_size=INPUTS)), float)
    used = np.arange(INPUTS) < draw(st.integers(1, INPUTS))
    weights = (1 + counts) * used / np.sum((1 + counts) * used)
    # A teacher of one's own may draw; of the built-in ones these do.
    draws = isinstance(teacher, Random | Adversarial) or teacher.name not in TEACHERS
    masks = [part.mask(layout, numbers) for part in (student.trains, teacher.moves)]
    return Case(
        theta0=theta0,
        factor=layout.flatten(rescaling(draw, layout.unflatten(theta0))) if rescaled else (zeros if apart else ones),
        offset=flat(draw, network) if apart else zeros,
        drawn=flat(draw, network, initial=False) if draws else zeros,
        x=draw(channels(network)),
        weights=weights,
        outputs=w,
        trait=trait if trait is not None else draw(traits(network)),
        rungs=draw(ladders(max(setting.eps), max(setting.eps) / 8)),
        finer=np.ones(()),
        alpha=np.asarray(2.0 ** draw(st.integers(-3, 2))),
        trains=masks[0],
        moves=masks[1],
        network=network,
        layout=layout,
        loss=setting.loss,
        teacher=teacher,
        view=setting.view,
        rule=student.rule,
        shared=not (apart or rescaled),
        kinks=kinks,
    )


def flat(draw: Callable[..., Any], network: Network, initial: bool = True) -> np.ndarray:
    """`parameters` as one vector (P,)."""
    return np.asarray(layout_of(network).flatten(draw(parameters(network, initial))), np.float64)


def rescaling(draw: Callable[..., Any], theta0: Params) -> Params:
    """Factors s on all that enters a hidden unit and 1/s on what leaves it: powers of two, so that f stays the same."""
    hidden, head = theta0["Dense_0"], theta0["head"]
    powers = draw(st.lists(st.integers(-4, 4), min_size=hidden["bias"].size, max_size=hidden["bias"].size))
    s = 2.0 ** np.asarray(powers)
    return {
        "Dense_0": {"kernel": np.broadcast_to(s, hidden["kernel"].shape).copy(), "bias": s},
        "head": {
            "kernel": np.broadcast_to(1 / s[:, None], head["kernel"].shape).copy(),
            "bias": np.ones_like(head["bias"]),
        },
    }


def constructed(settings: Sequence[Setting]) -> SearchStrategy[Distillation]:
    """The distillations of constructed settings, with smaller ladders of ε and other steps α."""
    whole = [to_numpy_leaves(setting.distillation(0)) for setting in settings]

    def vary(d: Distillation, halvings: int, alpha: int) -> Distillation:
        step: Any = np.asarray(d.alpha * 2.0**alpha)
        return replace(d, eps=d.eps * 0.5**halvings, alpha=step)

    return st.builds(vary, st.sampled_from(whole), st.integers(0, 4), st.integers(-2, 2))
