"""Whether the numbers under the verdicts can be trusted: derivatives, rounding, precision, and what is no number."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.test_util import check_grads

from subtheory.audit.planting import Patch, Plant, instead, planted
from subtheory.audit.plants import PLANTS
from subtheory.audit.results import Check, Tell
from subtheory.audit.suite import NETWORKS, Place, places, verdicts
from subtheory.certificate import cases, curves
from subtheory.certificate.balls import CHECK_BITS, precision, rational, upper
from subtheory.certificate.jets import Span
from subtheory.certificate.problem import problem
from subtheory.claim import Verdict
from subtheory.envelope import SHARP
from subtheory.instruments import first_order, instrument
from subtheory.instruments.first_order import FirstOrder
from subtheory.kernels import compiled
from subtheory.kernels.compiled import Rows
from subtheory.kernels.stack import Stack
from subtheory.networks import MLP, ConvNet, LinenNetwork, Transformer
from subtheory.numerics import ROUNDINGS, UNIT, float64
from subtheory.theory.losses import L1, LOSSES, CrossEntropy, Loss, Quartic, SquaredError
from subtheory.theory.trait import LabelledTrait
from subtheory.verification.plan import measured

# Derivatives --------------------------------------------------------------------------------------

KEYS = 50
"""Random points of every function."""

SMOOTH: tuple[LinenNetwork, ...] = (
    MLP(width=4, depth=1), MLP(width=4, depth=1, activation="gelu"), ConvNet(channels=(2,)),
    Transformer(width=4, heads=1),
)  # fmt: skip


def _of_network(network: LinenNetwork, key: Any) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """Parameters ↦ the outputs at one input."""
    x = jax.vmap(lambda k: network.task.labelled(k, 1)[0][0])(jax.random.split(key, KEYS))
    params = jax.vmap(network.init)(jax.random.split(key, KEYS))
    return lambda theta: jax.vmap(network.apply)(theta, x), (params,)


def _of_loss(loss: Loss, key: Any) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """Outputs of student and teacher ↦ the loss on three of four of them."""
    z, y = jax.random.normal(key, (2, KEYS, 4))
    return lambda z, y: loss.value(z, y, jnp.array([1.0, 1.0, 0.0, 1.0])), (z, y)


def _of_trait(key: Any) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """Parameters ↦ the trait loss."""
    network = SMOOTH[0]
    params = jax.vmap(network.init)(jax.random.split(key, KEYS))
    trait = LabelledTrait(*network.task.labelled(key, 3))
    return lambda theta: jax.vmap(lambda one: trait.loss(network.apply, one))(theta), (params,)


def derivatives(quick: bool, tell: Tell) -> Check:
    """R14: forward and reverse mode, to second order, against differences, at many points of every core function."""
    key, off = jax.random.key(14), []
    with float64():
        smooth = [loss for loss in LOSSES.values() if loss.null_clause and loss.order > 0]
        networks, losses = (SMOOTH[:1], smooth[:2]) if quick else (SMOOTH, smooth)
        several = {f"outputs of {network.name}": _of_network(network, key) for network in networks}
        several |= {loss.name: _of_loss(loss, key) for loss in losses} | {"trait loss": _of_trait(key)}
        for name, (function, at) in several.items():
            tell(name)
            try:
                check_grads(jax.jit(function), at, order=2, modes=("fwd", "rev"))
            except AssertionError:
                off.append(name)
    return Check(
        row="R14",
        what="derivatives against differences",
        draws=KEYS * len(several),
        found=f"{len(several) - len(off)} of {len(several)} functions agree"
        + (f", not {', '.join(off)}" if off else ""),
        target="all, order 2, both modes",
        ok=not off,
    )


# Rounding -----------------------------------------------------------------------------------------

NETS, FEW_NETS = 120, 12
"""Random networks; of a quick audit."""

AGREE, EPS = 1e-12, 0.25
"""How far float64 may be off, times the condition of D; and the ε at which it is looked at."""


def balls(quick: bool, tell: Tell) -> Check:
    """R15: D(ε) in float64, by both of its forms, against balls that hold the real number, on random networks."""
    case, off, wide = cases.CASES["tanh-2-4-2"], 0.0, 0.0
    nets = FEW_NETS if quick else NETS
    tell(f"{nets} networks in ball arithmetic")
    for seed in range(nets):
        eps: Any = np.array([EPS])
        d = replace(case.distillation(seed, (SquaredError(), CrossEntropy())[seed % 2]), eps=eps)
        m = FirstOrder().of(d)
        condition = m.rounding / (2 * ROUNDINGS * UNIT)  # what one relative rounding of the outputs does to D
        with precision(CHECK_BITS):
            ball = curves.alignment(problem(d))(Span(rational(EPS)), 0).c[0][0, 0]
            error = max(upper(abs(ball - rational(float(found)))) for found in (m.alignment[0], m.alignment_by_jvp[0]))
        off, wide = max(off, error / condition), max(wide, upper(ball.rad()) / condition)
    return Check(
        row="R15",
        what="float64 against ball arithmetic",
        draws=nets,
        found=f"off by {off:.1e} × condition at most, where balls are {wide:.0e} wide",
        target=f"≤ {AGREE:g} × condition",
        ok=off <= AGREE,
    )


# Precision ----------------------------------------------------------------------------------------

SINGLE = 2.0**-24
"""Unit roundoff of float32."""


def single(patch: Patch) -> None:
    """All kernels of networks and losses compute in float32, and a record knows it."""
    sound = vars(compiled)["_in_calls"]

    def narrow(array: Any) -> Any:
        array = np.asarray(array)
        return array.astype(np.float32) if array.dtype == np.float64 else array

    def planted(call: Any, rows: list[Rows], *rest: Any) -> list[np.ndarray]:
        found = sound(call, [Rows(narrow(each.array), each.rank) for each in rows], *rest)
        return [np.asarray(each, np.float64) for each in found]

    patch(compiled, "_in_calls", planted)
    patch(first_order, "UNIT", SINGLE)


def together(*several: Plant) -> Plant:
    """All of them."""

    def plant(patch: Patch) -> None:
        for one in several:
            one(patch)

    return plant


DRAWS, FEW_DRAWS = 40, 4


def precisions(quick: bool, tell: Tell) -> Check:
    """Of R18 the first-order claims: kernels in float32 and float64, where claims are true and where they are not."""
    place, seeds = places(NETWORKS[:1])[0], range(FEW_DRAWS if quick else DRAWS)
    said, opposite, silent = 0, 0, 0
    for broken in (lambda patch: None, PLANTS["student-of-another-seed"], PLANTS["wrong-sign"]):
        tell("float32")
        with planted(broken):
            double = verdicts(place, seeds)
        with planted(together(broken, single)):
            narrow = verdicts(place, seeds)
        pairs = [(a, b) for key in double for a, b in zip(double[key], narrow[key], strict=True)]
        said += len(pairs)
        opposite += sum({a, b} == {Verdict.HOLDS, Verdict.FAILS} for a, b in pairs)
        silent += sum(b in (Verdict.VACUOUS, Verdict.UNDECIDED) for _, b in pairs)
    with planted(single):
        least = _where_rounding_wins(place, seeds)
    return Check(
        row="R18, in part",
        what="first-order claims in float32 against float64",
        draws=said,
        found=f"{opposite} turned, {100 * silent / said:.2g} % say nothing; rounding wins below ε = {least:.1e} "
        f"(float64: {_where_rounding_wins(place, seeds):.0e})",
        target="0 turned",
        ok=opposite == 0,
    )


def _where_rounding_wins(place: Place, seeds: Sequence[int]) -> float:
    """The relative ε at which rounding is a tenth of εq, squared error, the middle one of the seeds."""
    records = measured(((place.reads, place.setting), tuple(seeds), place.losses[:1]))[place.losses[0].name]
    unit = place.setting.eps[0]
    return float(np.median([m.alignment_rounding[-1] / (SHARP * m.leading) * unit / m.eps[0] for m in records]))


# What is no number --------------------------------------------------------------------------------

FIELDS = ("x", "theta0", "student", "delta", "weights", "eps")
"""Arrays of a stack."""

BAD = (np.nan, np.inf)


def injected(field: str, bad: float) -> Plant:
    """A number that is none in the last entry of an array, which is read: at the smallest ε, of a distilled output."""

    def plant(patch: Patch) -> None:
        sound = vars(instrument)["started"]

        def started(*args: Any) -> list[tuple[Stack, list[Loss]]]:
            return [(_with(s, field, bad), losses) for s, losses in sound(*args)]

        patch(instrument, "started", started)

    return plant


def _with(s: Stack, field: str, bad: float) -> Stack:
    array = np.array(getattr(s, field))
    array.reshape(len(array), -1)[:, -1] = bad
    both: dict[str, Any] = {"theta0": array, "student": array} if field == "theta0" else {field: array}
    return replace(s, known=None, **both)


def called(name: str, bad: float) -> Plant:
    """The same in what a function of the core returns: labels, or the pull of the loss."""

    def planted(sound: Any, s: Stack, *args: Any) -> Any:
        found = np.array(sound(s, *args))
        found.reshape(len(found), -1)[:, -1] = bad
        return found

    return lambda patch: instead(patch, (name,), planted)


def no_numbers(quick: bool, tell: Tell) -> Check:
    """R22: NaN and infinity in data, parameters, labels and loss: no claim holds that reads it."""
    first, *rest = places(NETWORKS[:1])
    several = [replace(first, losses=(*first.losses, L1(), Quartic())), *rest]
    rows: list[dict[str, Any]] = []
    for bad in BAD:
        plants = {field: injected(field, bad) for field in FIELDS} | {n: called(n, bad) for n in ("labels", "pull")}
        for name, plant in plants.items():
            tell(f"{bad} in {name}")
            with planted(plant):
                found = [item for place in several for item in verdicts(place, range(FEW_DRAWS)).items()]
            holding = sorted({claim for (claim, _), each in found if Verdict.HOLDS in each})
            runs = sum(len(each) for _, each in found)
            rows.append({"where": name, "what": str(bad), "runs": runs, "holds": ", ".join(holding)})
    held = [f"{row['what']} in {row['where']}" for row in rows if row["holds"]]
    return Check(
        row="R22",
        what="numbers that are not finite",
        draws=sum(row["runs"] for row in rows),
        found=f"a claim holds with {', '.join(held)}" if held else f"none holds, {len(rows)} places",
        target="none holds",
        ok=not held,
        details=tuple(rows),
    )
