"""What is left of a trait in students of students, and can a generation keep more of it than the one before?

Every generation starts at θ0 and takes a few steps on the outputs of the one before. On the same inputs each keeps the
share a = 1 − (1 − αλ)ˢ of a mode, whatever the generation: the trait of generation k is a moment Σ c_i²a_iᵏ, of one
sign, and the retention r_{k+1}/r_k never falls, as the modes that fade are gone first. So a rising retention, which is
reported of language models, is what a chain without any learning across generations shows. On fresh inputs for every
generation there are no moments: the retention falls somewhere, and a second generation may turn away, as often as
ΔᵀA₂A₁Δ says draw by draw. Students that go on with the first teacher instead approach it. An ancestor that was repaired
on other inputs than its student's still hands something down, of either sign. Controls: the same inputs for both
generations, where none turns away; a repair on the student's own inputs. P28, P40, P42, P47. Rates are 1/λmax of what a
generation sees.
"""

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from subtheory.constructed.labels import classifier
from subtheory.data.toys import toy
from subtheory.figure import COLOURS, MARKERS, sheet, style
from subtheory.instruments.dynamics.chains import Chain, Chains, taught, turn
from subtheory.kernels.stack import each_eps, inner
from subtheory.kernels.whitened import whitened
from subtheory.ledger import parts
from subtheory.networks import Transformer
from subtheory.setting.preparation import stack
from subtheory.setting.setting import Setting
from subtheory.setting.student import Continued
from subtheory.study.experiment import Progress
from subtheory.study.finding import Finding, least, most, rate, shown
from subtheory.study.options import at_least
from subtheory.theory.dynamics.generations import retention, through
from subtheory.theory.dynamics.spectrum import modes
from subtheory.theory.losses import CrossEntropy, SquaredError
from subtheory.theory.views import InTurn

QUESTION = "What is left of a trait in students of students, and can a generation keep more of it than the one before?"
COMMAND = "subtheory run generations"
EXPECTED = (
    "on the same inputs the retention of a chain never falls and is a ratio of moments; on fresh inputs it falls; "
    "students that go on approach the teacher; through two channels some second generations turn away, as predicted "
    "draw by draw, none through one; a repair on other inputs leaves either sign"
)

CAPTIONS = {
    "chains": "Chains of students that each imitate the one before, {chains.seed} chains of each of "
    "{chains.network:list}. (a) Share of the trait that a generation keeps of the one before: on the same inputs "
    "(markers) predicted as a rising ratio of moments (lines); on inputs fresh for each generation without a law; "
    "dashed: the rise reported in arXiv 2609.25721. (b) Trait that is left over the first teacher's, medians.",
    "signs": "Share of draws below a value, measured (marks) on the prediction of each draw (lines). (a) Trait of a "
    "second generation over the first one's when the two imitate through different inputs, and through both "
    "(control); below 0 the trait turns. (b) Trait of the student of an ancestor that was trained back to the init's "
    "outputs, over that of the unrepaired ancestor's student: exactly 0 where it was repaired on the student's own "
    "inputs.",
}

STEPS = 3
"""Of every generation."""
FITS = 64
"""Steps that fit the labels on one input, and those of a repair."""
INPUTS = 6
"""Of every generation of a chain."""
EPS = (0.1, 1e-3, 2.5e-4)
"""Relative sizes of the teacher's update: one to look at, and two of which the limit is taken."""
PUBLISHED = (0.955, 0.985)
"""Retention of the first generations and of the last in arXiv 2609.25721."""
TURNING = 0.05
"""Share of draws in which a second generation turns away, at least; a toy has a third (prediction P40)."""

Row = dict[str, Any]

NETWORKS: dict[str, Setting] = {
    "perceptron": classifier(),
    "transformer": Setting(Transformer(8, 1, 1, task=toy((3,), 2, 2, tokens=4)), CrossEntropy(), trait_examples=8),
}
KINDS: dict[str, tuple[bool, bool]] = {
    "same inputs": (False, False),
    "fresh inputs": (True, False),
    "going on": (False, True),
    "going on, fresh inputs": (True, True),
}
"""Whether every generation has inputs of its own, and whether students go on with the first teacher."""
OUTPUTS: dict[str, Any] = {"all outputs": "all", "auxiliary": "aux", "one output": (5,)}


@dataclass(frozen=True)
class Plan:
    """Chains of each kind on every network and their generations; draws of two channels, and of repairs."""

    chains: int = 12
    hops: int = 10
    draws: int = 1000
    networks: tuple[str, ...] = field(default=tuple(NETWORKS))

    def __post_init__(self) -> None:
        at_least(self, chains=1, hops=3, draws=20)


PLAN, QUICK = Plan(), Plan(chains=2, draws=60)


def tables(plan: Plan = PLAN, progress: Progress | None = None) -> dict[str, list[Row]]:
    """Chains by network, kind, seed and generation; second generations by channel and draw; repaired ancestors."""
    todo = {name: partial(chain_rows, name, plan.chains, plan.hops) for name in plan.networks}
    todo |= {"two channels": partial(sign_rows, plan.draws), "repaired": partial(repaired_rows, plan.draws)}
    found = parts.each(todo, progress=progress)
    chains = [row for name in plan.networks for row in found[name]]
    return {"chains": chains, "signs": found["two channels"], "repaired": found["repaired"]}


def recorded(setting: Setting, hops: int, steps: int, seeds: int) -> list[Chain]:
    """Chains of a setting's own loss."""
    return list(Chains(hops, steps).records(setting, tuple(range(seeds)), (setting.loss,))[setting.loss.name])


def limit(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """a of a + bε from values at the two smallest ε, one to four, and how far off it the last of them is."""
    off = (values[-2] - values[-1]) / 3
    return values[-1] - off, np.abs(off)


def chain_rows(name: str, chains: int, hops: int) -> list[Row]:
    """Trait and retention of every generation, measured as ε → 0 beside the law, and at an ε that is not small."""
    found = list[Row]()
    for kind, (fresh, own) in KINDS.items():
        setting = NETWORKS[name].but(examples=INPUTS * (hops if fresh else 1), eps=EPS)
        setting = setting.but(view=InTurn(hops)) if fresh else setting
        setting = setting.but(init=Continued()) if own else setting
        for seed, c in enumerate(recorded(setting, hops, STEPS, chains)):
            trait, _ = limit(c.inherited / c.inherited[:, :1])
            share, off = limit(retention(c.inherited))
            law = retention(c.expected)
            for k in range(hops):
                found.append({
                    "network": name, "kind": kind, "seed": seed, "hop": k + 1, "trait": float(trait[k + 1]),
                    "predicted_trait": float(c.expected[k + 1] / c.expected[0]), "retention": float(share[k]),
                    "predicted_retention": float(law[k]), "off": float(off[k]),
                    "retention_far": float(retention(c.inherited)[0, k]), "seen": float(c.seen / c.expected[0]),
                })  # fmt: skip
    return found


def sign_rows(draws: int) -> list[Row]:
    """Second generations over the first, through channels of one input each, and through both inputs twice."""
    found = list[Row]()
    for outputs, distilled in OUTPUTS.items():
        for steps in (1, FITS):
            for turns in (2, 1):
                setting = classifier().but(loss=SquaredError(), outputs=distilled, examples=2, eps=EPS[1:])
                chains = recorded(setting.but(view=InTurn(turns)), 2, steps, draws)
                found += [
                    {"outputs": outputs, "steps": steps, "channels": turns, "draw": draw,
                     "share": float(limit(retention(c.alignment))[0][1]), "predicted": float(retention(c.expected)[1])}
                    for draw, c in enumerate(chains)
                ]  # fmt: skip
    return found


def repaired_rows(draws: int) -> list[Row]:
    """Students of ancestors at θ0 + εΔ that were trained back to θ0's outputs, over students of the ancestors."""
    loss, found = SquaredError(), list[Row]()
    s = stack(classifier().but(loss=loss, examples=2, eps=EPS[1:]), tuple(range(draws)))
    base, away = each_eps(s, s.theta0, 1), s.eps[..., None] * each_eps(s, s.delta, 1)
    own, other = (turn(s, i, 2) for i in range(2))
    seen = {id(each): modes(whitened(each, loss)) for each in (own, other)}
    rates = {name: 1 / each.values[:, -1] for name, each in seen.items()}

    def along(teacher: Any) -> np.ndarray:
        """How far along Δ a student goes, (S, K)."""
        step, _ = taught(own, loss, teacher, rates[id(own)], STEPS, np.zeros_like(away))
        return np.asarray(inner(step, each_eps(s, s.delta, 1)))

    def law(delta: Any) -> np.ndarray:
        """ΔᵀAδ, (S,)."""
        return np.asarray(inner(through([(seen[id(own)], rates[id(own)])], STEPS, delta)[:, 1], s.delta))

    unrepaired = along(base + away)
    for where, channel in (("the student's inputs", own), ("other inputs", other)):
        left, _ = taught(channel, loss, np.broadcast_to(base, away.shape), rates[id(channel)], FITS, away)
        rest = s.delta - through([(seen[id(channel)], rates[id(channel)])], FITS, s.delta)[:, 1]
        share, _ = limit((along(base + left) / unrepaired).T)
        predicted = law(rest) / law(s.delta)
        found += [
            {"repaired_on": where, "draw": i, "share": float(share[i]), "predicted": float(predicted[i])}
            for i in range(draws)
        ]
    return found


def by_chain(rows: list[Row], kind: str) -> list[list[Row]]:
    """The generations of every chain of a kind."""
    own = [row for row in rows if row["kind"] == kind]
    keys = dict.fromkeys((row["network"], row["seed"]) for row in own)
    return [[row for row in own if (row["network"], row["seed"]) == key] for key in keys]


def falls(chain: list[Row]) -> float:
    """By how much the retention falls from one hop to the next at most, over how far the two may be off."""
    share, off = (np.array([row[name] for row in chain]) for name in ("retention", "off"))
    return float(np.max((share[:-1] - share[1:]) / (off[:-1] + off[1:])))


def missed(rows: list[Row], name: str, law: str) -> list[float]:
    """How far numbers are off the law, relative to it where that is above 1."""
    return [abs(row[name] - row[law]) / max(1.0, abs(row[law])) for row in rows]


def findings(tables: dict[str, list[Row]]) -> list[Finding]:
    """What never falls and what does, who turns away, who comes back, and the controls of each."""
    chains, signs, repaired = tables["chains"], tables["signs"], tables["repaired"]
    same, fresh = by_chain(chains, "same inputs"), by_chain(chains, "fresh inputs")
    going = [row for kind in ("going on", "going on, fresh inputs") for row in chains if row["kind"] == kind]
    two, one = ([row for row in signs if row["channels"] == parts] for parts in (2, 1))
    cells = [[row for row in two if (row["outputs"], row["steps"]) == cell]
             for cell in dict.fromkeys((row["outputs"], row["steps"]) for row in two)]  # fmt: skip
    clear = [row for row in two if abs(row["predicted"]) > EPS[1]]
    elsewhere = [row for row in repaired if row["repaired_on"] == "other inputs"]
    back = [row for row in repaired if row["repaired_on"] != "other inputs"]
    resets = [row for chain in same for row in chain]
    return [
        most("same inputs: falls of the retention over how far it may be off", [max(0, falls(c)) for c in same], 1.0),
        most("same inputs: retention off its ratio of moments",
             missed(resets, "retention", "predicted_retention"), EPS[1]),
        least("same inputs: rise of the retention from the first hop to the last",
              [chain[-1]["retention"] - chain[0]["retention"] for chain in same], 0.0),
        rate("fresh inputs, control: share of chains in which the retention falls", [falls(c) > 1 for c in fresh], 0.5),
        most("fresh inputs: trait off the product of its channels",
             missed([row for chain in fresh for row in chain], "trait", "predicted_trait"), EPS[1]),
        most("students that go on: trait off its law", missed(going, "trait", "predicted_trait"), EPS[1]),
        least("going on, on the same inputs: last trait over what the channel sees, less the same of resets",
              [(a[-1]["trait"] - b[-1]["trait"]) / a[-1]["seen"] for a, b in
               zip(by_chain(chains, "going on"), same, strict=True)], 0.0),
        least("two channels: share of second generations that turn away, by channel", [turned(cell) for cell in cells],
              TURNING),
        rate("two channels: sign as predicted draw by draw", [row["share"] * row["predicted"] > 0 for row in clear]),
        least("one channel, control: what the second generation keeps", [row["share"] for row in one], 0.0),
        rate("repaired on other inputs: sign as predicted, of shares above ε",
             [row["share"] * row["predicted"] > 0 for row in elsewhere if abs(row["predicted"]) > EPS[1]]),
        most("repaired on the student's inputs, control: share that is left off its law",
             missed(back, "share", "predicted"), EPS[1]),
        shown("repaired on other inputs: share of students that turn away", turned(elsewhere)),
        shown("same inputs, ε a tenth: falls of the retention, most", max(
            np.max(-np.diff([row["retention_far"] for row in chain])) for chain in same)),
        shown("retention reported of language models: rise", PUBLISHED[1] - PUBLISHED[0]),
    ]  # fmt: skip


def figure(tables: dict[str, list[Row]]) -> dict[str, Figure]:
    """Chains, and signs."""
    with style():
        first = sheet(2.8)
        second = sheet(2.8)
        draw_chains(*first.subplots(1, 2), tables["chains"])
        draw_signs(*second.subplots(1, 2), tables["signs"], tables["repaired"])
    return {"chains": first, "signs": second}


def draw_chains(left: Axes, right: Axes, rows: list[Row]) -> None:
    """Retention by hop, every chain; and the median trait of each kind."""
    hops = sorted({row["hop"] for row in rows})
    for i, network in enumerate(dict.fromkeys(row["network"] for row in rows)):
        for n, chain in enumerate(c for c in by_chain(rows, "same inputs") if c[0]["network"] == network):
            left.plot(hops, [row["predicted_retention"] for row in chain], color=COLOURS[i], linewidth=0.5, alpha=0.6)
            left.plot(hops, [row["retention"] for row in chain], linestyle="", marker=MARKERS[i], markersize=2.5,
                      color=COLOURS[i], label=f"same inputs, {network}" if n == 0 else None)  # fmt: skip
    for n, chain in enumerate(by_chain(rows, "fresh inputs")[:3]):
        left.plot(hops, [row["retention"] for row in chain], color="#909090", linewidth=0.9, zorder=1,
                  label="fresh inputs, three chains" if n == 0 else None)  # fmt: skip
    left.plot([hops[0], hops[-1]], PUBLISHED, color="black", linestyle="--", linewidth=1.1, label="reported")
    left.set(xlabel="generation", ylabel=r"retention $r_{k+1}/r_k$", ylim=(-0.25, 1.45), title="(a) Retention")
    for i, kind in enumerate(KINDS):
        own = [[row for row in rows if row["kind"] == kind and row["hop"] == hop] for hop in hops]
        for name, look in (("trait", {"linestyle": "", "marker": MARKERS[i]}), ("predicted_trait", {"linewidth": 0.9})):
            right.plot(hops, [np.median([abs(row[name]) for row in each]) for each in own], color=COLOURS[i],
                       label=kind if name == "trait" else None, **look)  # fmt: skip
    right.set(xlabel="generation", ylabel="|trait| over the teacher's, median", yscale="log", title="(b) What is left")
    for axes in (left, right):
        axes.legend(fontsize=6)


def draw_signs(left: Axes, right: Axes, signs: list[Row], repaired: list[Row]) -> None:
    """Shares of draws below a number, measured and predicted; reversals lie left of 0."""
    for i, outputs in enumerate(dict.fromkeys(row["outputs"] for row in signs)):
        own = [row for row in signs if row["outputs"] == outputs and row["steps"] == 1]
        ordered(left, [row for row in own if row["channels"] == 2], COLOURS[i], outputs)
        if outputs == next(iter(OUTPUTS)):
            ordered(left, [row for row in own if row["channels"] == 1], "#909090", "one channel")
    left.set(
        xlabel="second generation over the first",
        title="(a) Two channels: which turn away",
        xscale="symlog",
        xlim=(-30, 30),
    )
    for i, where in enumerate(dict.fromkeys(row["repaired_on"] for row in repaired)):
        ordered(right, [row for row in repaired if row["repaired_on"] == where], COLOURS[i], where)
    right.set(xlabel="student, repaired over unrepaired", title="(b) Repaired on: which turn away", xlim=(-1, 2))
    left.legend(fontsize=6, loc="upper left")
    right.legend(fontsize=6, loc="lower right")
    for axes in (left, right):
        axes.axvline(0, color="black", linewidth=0.6)
        axes.set(ylabel="share of draws below", ylim=(-0.02, 1.02))


def ordered(axes: Axes, rows: list[Row], colour: str, label: str) -> None:
    """The distribution of what is predicted as a line, and every so many of the measured ones on it."""
    level = (np.arange(len(rows)) + 0.5) / len(rows)
    some = slice(None, None, max(1, len(rows) // 25))
    law, found = (np.sort([row[name] for row in rows]) for name in ("predicted", "share"))
    axes.plot(law, level, color=colour, linewidth=0.9)
    axes.plot(found[some], level[some], color=colour, linestyle="", marker="o", markersize=2.5,
              label=f"{label}: {100 * turned(rows):.0f} %")  # fmt: skip


def turned(rows: list[Row]) -> float:
    """Share of students that turn away, by more than ε."""
    return float(np.mean([row["share"] < -EPS[1] for row in rows]))
