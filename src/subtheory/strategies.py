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
import jax.numpy as jnp
import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from subtheory.case import FOLLOWING, Case
from subtheory.claim import Assumption
from subtheory.data.channels import GaussianNoise, RandomTokens, UniformNoise
from subtheory.data.toys import toy
from subtheory.errors import InputError
from subtheory.networks import MLP, ConvNet, Linear, LinenNetwork, Transformer
from subtheory.networks.linen import BIAS_STD
from subtheory.numerics import float64
from subtheory.setting import Setting, ladder, output_filter, to_numpy_leaves
from subtheory.suggest import choose
from subtheory.theory.distillation import Distillation
from subtheory.theory.losses import LOSSES, Loss
from subtheory.theory.network import Network, Params
from subtheory.theory.teachers import TEACHERS
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


def teachers(chosen: Iterable[str] | None = None) -> SearchStrategy[str]:
    """The name of a teacher; by default those of one program: one step, any direction, both zero branches."""
    names = FOLLOWING if chosen is None else [choose("teachers", one, dict.fromkeys(TEACHERS, one)) for one in chosen]
    return st.sampled_from(list(names))


@st.composite
def ladders(draw: Callable[..., Any], largest: float = 1e-2, smallest: float = 1e-3) -> np.ndarray:
    """Sizes of the teacher's update, relative to the outputs: six values from `largest` downwards."""
    halvings = int(np.log2(largest / smallest))
    return np.asarray(ladder(largest * 0.5 ** draw(st.integers(0, max(halvings, 0)))))


def shapes_of(network: Any) -> Any:
    """Shapes of a network's parameters, without computing them."""
    return _shapes(network)


@cache
def _shapes(network: Any) -> Any:
    with float64():
        return jax.eval_shape(network.init, jax.random.key(0))


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
    teachers: Iterable[str] | None = None,
    outputs: Iterable[str | tuple[int, ...]] | None = None,
    without: Assumption | None = None,
) -> SearchStrategy[Setting]:
    """Settings of small shapes, for `subtheory.check`; `without` breaks an assumption.

    Raises InputError on "without" if that cannot be done by a change of setting.
    """
    found = list(combinations(networks, losses, teachers, outputs))
    if without is not None:
        found = [broken for one in found if (broken := without.breaks(one)) is not None]
        if not found:
            raise InputError("without", repr(without.name), "must be an assumption that a setting can break")
    return chosen(found)


def chosen(settings: Sequence[Setting]) -> SearchStrategy[Setting]:
    """One of the settings."""
    return st.sampled_from(list(settings))


def combinations(
    networks: Iterable[str | Network] | None = None,
    losses: Iterable[str | Loss] | None = None,
    teachers: Iterable[str] | None = None,
    outputs: Iterable[str | tuple[int, ...]] | None = None,
) -> Iterable[Setting]:
    """Every combination of the chosen networks, losses, teachers and outputs as a setting."""
    names = FOLLOWING if teachers is None else tuple(teachers)
    for network in _some("networks", networks, SHAPES):
        tokens = np.dtype(network.example.dtype).kind != "f"
        for channel in (RandomTokens(),) if tokens else (UniformNoise(), GaussianNoise()):
            for loss in _some("losses", losses, LOSSES):
                for teacher in names:
                    for distilled in OUTPUTS if outputs is None else outputs:
                        yield Setting(network, loss, channel, distilled, teacher, examples=INPUTS, trait_examples=TRAIT)


def distillations(
    networks: Iterable[str | Network] | None = None,
    losses: Iterable[str | Loss] | None = None,
    teachers: Iterable[str] | None = None,
    outputs: Iterable[str | tuple[int, ...]] | None = None,
    without: Assumption | None = None,
) -> SearchStrategy[Distillation]:
    """Distillations with NumPy leaves: the theorem's own, unless `without` breaks an assumption.

    Names restrict what is drawn; networks and losses of your own are taken as they are (a network
    needs `task`, as the built-in ones have). All ε are positive, relative, and below the first kink.
    """
    return settings(networks, losses, teachers, outputs, without).flatmap(cases).map(_whole)


def _whole(case: Case) -> Distillation:
    d = case.distillation()
    assume(np.all(np.isfinite(d.eps)) and np.all(d.eps > 0))
    return d


@st.composite
def cases(draw: Callable[..., Any], setting: Setting, *, trait: Trait | None = None, rescaled: bool = False,
          kinks: bool = False, together: Sequence[Loss] | None = None) -> Case:  # fmt: skip
    """Free choices of distillations like `setting`, what a search moves; no Δ and no ε yet.

    `trait` replaces the labelled one; `rescaled` lets the student start at positive rescalings of the
    hidden units of a one-layer network; `kinks` lets θ0 sit on kinks of a ReLU. `together` are the
    losses that one program measures: by default all built-in ones, or the setting's own.
    """
    network = setting.network
    if setting.student_network is not None:
        raise InputError("without", "same-architecture", "must be an assumption about one architecture")
    like = shapes_of(network)
    constant = lambda value: jax.tree.map(lambda leaf: np.full(leaf.shape, value), like)  # noqa: E731
    theta0 = draw(parameters(network))
    w = np.asarray(setting.origin.weights(setting.outputs), np.float64)
    names = FOLLOWING if setting.teacher in FOLLOWING else (setting.teacher,)
    counts = np.asarray(draw(st.lists(st.integers(0, 3), min_size=INPUTS, max_size=INPUTS)), float)
    used = np.arange(INPUTS) < draw(st.integers(1, INPUTS))
    weights = (1 + counts) * used / np.sum((1 + counts) * used)
    free = draw(parameters(network, initial=False)) if setting.teacher in ("random", "adversarial") else constant(0.0)
    frozen = jax.tree.map(lambda leaf: (leaf > 0).astype(float), draw(parameters(network))) if setting.frozen else None
    with float64():
        shift = np.asarray(output_filter(jnp.asarray(w))) if setting.filtered else np.zeros_like(w)
    return Case(
        theta0=theta0,
        factor=rescaling(draw, theta0) if rescaled else constant(0.0 if setting.independent else 1.0),
        offset=draw(parameters(network)) if setting.independent else constant(0.0),
        drawn=free,
        x=draw(channels(network)),
        weights=weights,
        outputs=w,
        trait=trait if trait is not None else draw(traits(network)),
        rungs=draw(ladders(max(setting.eps), max(setting.eps) / 8)),
        finer=np.ones(()),
        alpha=np.asarray(2.0 ** draw(st.integers(-3, 2))),
        shift=shift,
        trainable=constant(1.0) if frozen is None else frozen,
        sign=np.asarray(float(setting.sign_step)),
        teacher=np.asarray(names.index(setting.teacher), np.int32),
        kinks=np.asarray(kinks),
        network=network,
        loss=setting.loss,
        together=tuple(together or (LOSSES.values() if setting.loss in LOSSES.values() else (setting.loss,))),
        teachers=names,
    )


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
