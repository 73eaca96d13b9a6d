"""Does the theorem hold on a real pretrained language model, and what does it say of one?

SmolLM2 (or another model) is θ0; a teacher takes one step Δ = −∇L_T along the gradient of a preference, for owls, oaks
or blue, and a student of the same weights imitates it for one step on lists of numbers, code, or reasoning. Every row
has a prediction that was known before: D(ε) = εq + ½ε²h″ from one second-order forward derivative; the trait's loss
changes by −αεq, and the share of each other word by αε times its slope along GΔ; each layer adds ε Δ_ℓ·(GΔ)_ℓ. A
student of noisy weights θ0 + δ is added the cross form, and without any teacher moved by −δ·GΔ. Sizes are relative to
‖θ0‖. Controls: a student of other weights at the same scale, and one that imitates the unchanged base. Float64: in
single precision weights lose small steps in rounding, so there is a floor, but for the derivative form.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from subtheory.envelope import envelope, fine, proportion
from subtheory.figure import COLOURS, MARKERS, sheet, style
from subtheory.language.anatomy import lesson, mismatch, rows
from subtheory.ledger import parts
from subtheory.numerics import LADDER_RATIO, ROUNDINGS, float64
from subtheory.study.experiment import Progress
from subtheory.study.finding import Finding, farthest, least, most, shown
from subtheory.study.options import at_least

QUESTION = "Does the theorem hold on a real pretrained language model, and what does it say of one?"
COMMAND = "subtheory run llm_theorem"
EXPECTED = (
    "D(ε)/(εq) = 1 ± 1e-3 wherever the next order is below half of that, and leaves 1 by ½εh″/q, on three channels "
    "and three traits; trait, words, layers and noisy students as predicted; other weights and the base do neither."
)
CAPTIONS = {
    "llm_theorem": "One step of a teacher on a preference ({llm_theorem.trait:list}), and one of a student of the "
    "same language model on {llm_theorem.channel:list}. (a) Alignment D(ε) over εq, predicted 1, with the next order "
    "½εh″/q dashed. (b) Its distance from 1 beside that order; grey crosses: float32; plus signs: a student of other "
    "weights. (c) Change of the trait loss over its first order −αεq. (d) Change of the log share of every word, "
    "measured (dots) on predicted (bars), the wanted word dark. (e) Parts of q by layer: predicted (bars), measured "
    "(dots), and steps of a few layers alone (lines). (f) Students of noisy weights: raw, of the unchanged base, and "
    "what the teacher adds, on predictions (dashed).",
}

CHANNELS = ("numbers", "code", "reasoning")
TRAITS = ("owl", "oak", "blue")
SMALL, CLOSE = 1e-3, 5e-4
"""|D/(εq) − 1| that is allowed, and the next order up to which it is judged."""
BENT = 0.1
"""Next order up to which the expansion in ε is judged."""
Z = 3.29
"""What a normal number leaves with a chance of 1e-3."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """A model's name, file or folder; texts of each channel, and tokens of each."""

    model: str = "smollm2"
    texts: int = 3
    tokens: int = 22
    seed: int = 0
    traits: tuple[str, ...] = TRAITS

    def __post_init__(self) -> None:
        at_least(self, texts=1, tokens=2, seed=0)


PLAN, QUICK = Plan(), Plan("tiny", texts=2, tokens=12)


def tables(plan: Plan = PLAN, progress: Progress | None = None) -> dict[str, list[Row]]:
    """One row a trait, channel and size of the teacher's update; and what `rows` and `mismatch` find."""
    first = plan.traits[0]

    def of(trait: str, measure: Callable[[rows.Subject], Any], dtype: str = "float64") -> Any:
        with float64():
            return measure(_subject(plan, trait, dtype))

    ladder = lambda s: {"llm_theorem": rows.ladder_rows(s, plan.seed)}  # noqa: E731
    todo: dict[str, Callable[[], dict[str, list[Row]]]] = {}
    for trait in plan.traits:
        todo[f"ladder: {trait}"] = partial(of, trait, ladder)
        todo[f"students: {trait}"] = partial(of, trait, rows.student_rows)
        if trait == first:
            todo["layers"] = partial(of, trait, lambda s: {"layer_steps": rows.layer_step_rows(s, CHANNELS[0])})
            todo["noise"] = partial(of, trait, lambda s: {"noise": mismatch.mismatch_rows(s, CHANNELS[0], plan.seed)})
    todo["single precision"] = partial(
        of, first, lambda s: {"single": rows.ladder_rows(s, plan.seed), "forms": rows.form_rows(s)}, "float32"
    )
    return parts.tables(todo, progress)


def _subject(plan: Plan, trait: str, dtype: str) -> rows.Subject:
    model = lesson.model(plan.model, dtype)
    taught = lesson.lesson(model.tokenizer, CHANNELS, plan.seed, plan.texts, plan.tokens)
    return rows.subject(plan.model, trait, taught, dtype)


# Findings --------------------------------------------------------------------------------------------


def findings(tables: dict[str, list[Row]]) -> list[Finding]:
    """P1 and P41 on every trait and channel, P3, P36 and P35 of a step, P18 of noisy students; and both controls."""
    ladder = tables["llm_theorem"]
    judged = [row for row in ladder if abs(row["next_order"]) <= CLOSE and row["rounding"] <= CLOSE]
    pairs = _grouped(ladder)
    return [
        most("P1: |D/(εq) − 1| where the next order is below 5e-4", [abs(r["ratio"] - 1) for r in judged], SMALL),
        least("P1: sizes of ε where that can be asked, of the pair with fewest", [_count(judged, p) for p in pairs], 3),
        _constant(pairs),
        most("P1 control, the unchanged base: |D(0)|/(εq) over its rounding",
             [abs(r["untaught"]) / r["rounding"] for r in ladder], 1),
        least("P1 control, other weights: |D/(εq) − 1| there", [abs(r["other_weights"] - 1) for r in judged], SMALL),
        *_of_a_step(tables),
        *_of_layers(tables),
        *_of_noise(tables["noise"]),
        # A sum of products of float32 numbers of ROUNDINGS roundings each, once from each side.
        most("derivative form in float32: |⟨GΔ, Δ⟩/q − 1|",
             [abs(r["pulled_form"] / r["q"] - 1) for r in tables["forms"]], 2 * ROUNDINGS * 2.0**-24),
        shown("finite steps in float32: |D/(εq) − 1| at the smallest ε",
              max(abs(r["ratio"] - 1) for r in tables["single"] if r["relative_size"] == min(rows.SIZES))),
    ]  # fmt: skip


def _grouped(found: Sequence[Row]) -> list[list[Row]]:
    """By trait and channel."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in found:
        groups.setdefault((row["trait"], row["channel"]), []).append(row)
    return list(groups.values())


def _column(found: Sequence[Row], name: str) -> np.ndarray:
    return np.array([row[name] for row in found], float)


def _count(judged: Sequence[Row], pair: Sequence[Row]) -> int:
    return sum(any(row is one for one in judged) for row in pair)


def _constant(pairs: Sequence[Sequence[Row]]) -> Finding:
    """(D/(εq) − 1)/(½εh″/q) = 1 + O(ε): at the size with the narrowest envelope of every pair, the farthest one."""
    found, width = [], []
    for pair in pairs:
        bent = [row for row in pair if abs(row["next_order"]) <= BENT]
        off, next_order, eps, rounding = (
            _column(bent, name) for name in ("ratio", "next_order", "eps", "rounding")
        )  # fmt: skip
        allowed = fine(envelope(off - 1 - next_order, eps, 2, rounding) / np.abs(next_order))
        at = int(np.argmin(allowed))
        found.append(fine((off - 1) / next_order)[at])
        width.append(allowed[at])
    return farthest("P41: (D/(εq) − 1)/(½εh″/q)", found, 1 - np.array(width), 1 + np.array(width))


def _of_a_step(tables: dict[str, list[Row]]) -> list[Finding]:
    """A step's change over its prediction is 1 + O(α) + O(ε), the teacher's ε known from its next order, doubled."""
    ratio, width = [], []
    for group in _grouped(tables["steps"]):
        off, size = _column(group, "change") / _column(group, "predicted") - 1, _column(group, "relative_step")
        known = 2 * np.abs(_column(group, "teachers_next_order"))
        ratio.append(off[-1] + 1)
        width.append(envelope(off, size, 1, known)[-1])
    slopes = []
    for group in _grouped(tables["words"]):
        shape = (len(rows.STEPS), -1)
        change, predicted = (_column(group, name).reshape(shape) for name in ("change", "predicted"))
        slopes.append(proportion(change, predicted, rows.STEPS))
    known = 2 * max(abs(row["teachers_next_order"]) for row in tables["steps"])
    c, off = np.array(slopes).T
    cosines = tables["cosines"]
    limit, coarse, sharp = (_column(cosines, name) for name in ("limit", "cosine_before", "cosine"))
    before = np.abs(coarse / limit - 1)
    # From one size to a quarter of it the distance from a limit that is O(ε) off falls by four, and O(ε²) of that.
    allowed = 2 * before / LADDER_RATIO + 1e-9
    return [
        most("cosine of the student's step and Δ, |cos/limit − 1| over what O(ε) leaves",
             np.abs(sharp / limit - 1) / allowed, 1),
        farthest("P3: a step's change of L_T over −αεq", ratio, 1 - np.array(width), 1 + np.array(width)),
        farthest("P36: changes of all words' shares on their slopes along GΔ", c, 1 - off - known, 1 + off + known),
        shown("P36: share of students of which the trait's word rises most of its kind",
              float(np.mean([row["first"] for row in tables["steps"] if row["relative_step"] == rows.STEPS[-1]]))),
        shown("P36: the same on questions that no teacher was tuned on",
              float(np.mean([r["rank_of_rise"] == 1 for r in tables["unseen"] if r["who"] in CHANNELS]))),
    ]  # fmt: skip


def _of_layers(tables: dict[str, list[Row]]) -> list[Finding]:
    """Layers add up; each on its prediction by what O(ε) leaves of four times the size; so does a step in one alone."""
    over, sums = [], []
    for group in _grouped(tables["layers"]):
        predicted, sharp, coarse = (_column(group, name) for name in ("predicted", "measured", "measured_before"))
        before = np.max(np.abs(coarse - predicted))
        over.append(np.max(np.abs(sharp - predicted)) / (2 * before / LADDER_RATIO + 1e-9))
        sums.append(predicted.sum())
    coarse, sharp = (_at(tables["layer_steps"], size) for size in rows.LAYER_STEPS)
    off, before = (np.abs(_column(steps, "change") - _column(steps, "predicted")) for steps in (sharp, coarse))
    allowed = 2 * np.max(before) / LADDER_RATIO**2 + 1e-9 * abs(sharp[0]["predicted_whole"])
    return [
        most("P35: |D_ℓ/(εq) − prediction| over what O(ε) leaves", over, 1),
        farthest("P35: Σ_ℓ Δ_ℓ·(GΔ)_ℓ/q", sums, 1 - 1e-9, 1 + 1e-9),
        shown("P35: layers that point away", float(np.sum(_column(tables["layers"], "predicted") < 0))),
        most("P35: change of L_T by a step in a few layers, off −αΣD_ℓ, over what O(α²) leaves", off / allowed, 1),
    ]  # fmt: skip


def _of_noise(found: list[Row]) -> list[Finding]:
    """P18: what is added is the cross form at every σ; what is not, D(0), is the noise along GΔ while σ is small."""
    allowed = [2 * abs(r["behind_before"]) / LADDER_RATIO**2 + r["rounding"] for r in found]
    noisy = [r for r in found if 0 < r["sigma"] <= 1e-3]
    return [
        most("P18: |added − cross form − its next order| over what O(ε²) leaves",
             [abs(r["behind"]) / o for r, o in zip(found, allowed, strict=True)], 1),
        most("P18: D(0) of noisy students, standard deviations of noise",
             [abs(r["untaught"]) / r["deviation_untaught"] for r in noisy], Z),
        least("P18 control, raw: the same without the base's part subtracted",
              [abs(r["raw"] - r["predicted_added"] - r["next_order"]) / o
               for r, o in zip(found, allowed, strict=True) if r["sigma"]], 1),
    ]  # fmt: skip


# Figure ----------------------------------------------------------------------------------------------


def figure(tables: dict[str, list[Row]]) -> Figure:
    """D/(εq) and what is left of it; a step's change, word by word; layers; and noisy students."""
    with style():
        drawn = sheet(7.2)
        panels = drawn.subplots(3, 2)
        _ratios(panels[0, 0], tables)
        _errors(panels[0, 1], tables)
        _steps(panels[1, 0], tables["steps"])
        _words(panels[1, 1], _first(tables["words"]))
        _layers(panels[2, 0], _first(tables["layers"]), _first(tables["layer_steps"]))
        _noise(panels[2, 1], tables["noise"])
        drawn.legend(handles=_handles(tables["llm_theorem"]), loc="outside lower center", ncols=4)
    return drawn


def _at(found: Sequence[Row], size: float) -> list[Row]:
    return [row for row in found if row["relative_step"] == size]


def _first(found: Sequence[Row]) -> list[Row]:
    """Of the first trait and channel, a step at its smallest."""
    own = _grouped(found)[0]
    return _at(own, min(row["relative_step"] for row in own)) if "relative_step" in own[0] else own


def _look(row: Row, traits: Sequence[str]) -> dict[str, Any]:
    """Colour of the channel, marker of the trait."""
    colour = COLOURS[CHANNELS.index(row["channel"])]
    return {"color": colour, "marker": MARKERS[list(traits).index(row["trait"]) % len(MARKERS)], "markersize": 3}


def _traits(found: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row["trait"] for row in found))


SINGLE: dict[str, Any] = {"color": "#888888", "marker": "x", "linestyle": "", "markersize": 3}
CONTROL: dict[str, Any] = {"color": "black", "marker": "+", "linestyle": "", "markersize": 4}
DASH: dict[str, Any] = {"linestyle": (0, (3, 1)), "linewidth": 0.7}


def _ratios(axes: Axes, tables: dict[str, list[Row]]) -> None:
    """D/(εq), with 1 + ½εh″/q dashed as far as it is small, and float32."""
    ladder = tables["llm_theorem"]
    axes.axhline(1.0, color="black", linewidth=0.6)
    for pair in _grouped(ladder):
        look = _look(pair[0], _traits(ladder))
        axes.plot(_column(pair, "relative_size"), _column(pair, "ratio"), linewidth=0.5, **look)
        near = [row for row in pair if abs(row["next_order"]) < 5 * BENT]
        axes.plot(_column(near, "relative_size"), 1 + _column(near, "next_order"), color=look["color"], **DASH)
    single = tables["single"]
    axes.plot(_column(single, "relative_size"), _column(single, "ratio"), **SINGLE, zorder=1)
    axes.set(xscale="log", xlabel="teacher's step over ‖θ0‖", ylabel="D(ε)/(εq)", title="(a) The alignment")


def _errors(axes: Axes, tables: dict[str, list[Row]]) -> None:
    """|D/(εq) − 1| on |½εh″/q|, the float32 floor, and students of other weights."""
    ladder = tables["llm_theorem"]
    for pair in _grouped(ladder):
        look = _look(pair[0], _traits(ladder))
        axes.plot(_column(pair, "relative_size"), np.abs(_column(pair, "ratio") - 1), **look, linestyle="")
        axes.plot(_column(pair, "relative_size"), np.abs(_column(pair, "next_order")), color=look["color"], **DASH)
    for name, found, look in (("ratio", tables["single"], SINGLE), ("other_weights", ladder, CONTROL)):
        axes.plot(_column(found, "relative_size"), np.abs(_column(found, name) - 1), **look, zorder=1)
    axes.set(xscale="log", yscale="log", xlabel="teacher's step over ‖θ0‖", ylabel="|D(ε)/(εq) − 1|")
    axes.set_title("(b) Order, constant and controls")


def _steps(axes: Axes, found: Sequence[Row]) -> None:
    """A student's step: what L_T changes by over −αεq."""
    axes.axhline(1.0, color="black", linewidth=0.6)
    for pair in _grouped(found):
        ratio = _column(pair, "change") / _column(pair, "predicted")
        axes.plot(_column(pair, "relative_step"), ratio, **_look(pair[0], _traits(found)), linewidth=0.5)
    axes.set(xscale="log", xlabel="student's step over ‖θ0‖", ylabel="change of $L_T$ over −αεq")
    axes.ticklabel_format(axis="y", useOffset=False)
    axes.set_title("(c) The trait's loss")


def _words(axes: Axes, found: Sequence[Row]) -> None:
    """Bars: predicted changes of the log share of every word, dots measured; the wanted word is dark."""
    ordered = sorted(found, key=lambda row: -row["predicted"])
    places, scale = np.arange(len(ordered)), max(abs(row["predicted"]) for row in ordered)
    colours = [COLOURS[0] if row["wanted"] else "#c9d7e3" for row in ordered]
    axes.bar(places, _column(ordered, "predicted") / scale, color=colours)
    axes.plot(places, _column(ordered, "change") / scale, **CONTROL | {"marker": ".", "markersize": 3})
    axes.set_xticks(places, [row["word"] for row in ordered], rotation=90)
    axes.set(ylabel="change of log share, scaled", title=f"(d) Words, {_about(found)}")


def _about(found: Sequence[Row]) -> str:
    return f"{found[0]['trait']} through {found[0]['channel']}"


def _layers(axes: Axes, found: Sequence[Row], steps: Sequence[Row]) -> None:
    """Bars: Δ_ℓ·(GΔ)_ℓ/q; dots: D_ℓ/(εq); lines: change of L_T by a step in a few layers over −αD, by their number."""
    places = np.arange(len(found))
    axes.bar(places, _column(found, "predicted"), color="#c9d7e3")
    axes.plot(places, _column(found, "measured"), **CONTROL | {"marker": ".", "markersize": 3})
    center, count = _column(steps, "center"), _column(steps, "count")
    change = _column(steps, "change") / _column(steps, "predicted_whole") / count
    axes.hlines(change, center - count / 2, center + count / 2, color=COLOURS[1], linewidth=1.0)
    shown_at = [0, *range(5, len(found) - 2, 5), len(found) - 1] if len(found) > 8 else list(places)
    axes.set_xticks(shown_at, [{"embedding": "in", "behind": "out"}.get(n := found[i]["layer"], n) for i in shown_at])
    axes.set(xlabel="layer", ylabel="part of q", title=f"(e) Layers, {_about(found)}")


def _noise(axes: Axes, found: Sequence[Row]) -> None:
    """Raw and added alignment of noisy students over εq, with their predictions; σ = 0 stands at the left."""
    sigma = np.array([row["sigma"] or 3e-5 for row in found])
    axes.plot(sigma, _column(found, "predicted_added") + _column(found, "next_order"), color=COLOURS[0], **DASH)
    axes.plot(sigma, _column(found, "added"), color=COLOURS[0], marker="o", linestyle="", label="added")
    axes.plot(sigma, _column(found, "predicted_untaught"), color=COLOURS[1], **DASH)
    axes.plot(sigma, _column(found, "untaught"), color=COLOURS[1], marker="s", linestyle="", label="unchanged base")
    axes.plot(sigma, _column(found, "raw"), color="black", marker="x", linestyle="", label="raw")
    axes.set_yscale("symlog", linthresh=1.0)
    axes.set(xscale="log", xlabel="σ, noise in the student's weights (left: 0)", ylabel="alignment over εq")
    axes.set_title(f"(f) Another init, {_about(found)}")
    axes.legend()


def _handles(ladder: Sequence[Row]) -> list[Line2D]:
    own = [Line2D([], [], color=COLOURS[i], label=name) for i, name in enumerate(CHANNELS)]
    black = {"color": "black", "linestyle": "", "markersize": 3}
    own += [Line2D([], [], marker=MARKERS[i], label=name, **black) for i, name in enumerate(_traits(ladder))]
    own.append(Line2D([], [], color="black", label="predicted", **DASH))
    own.append(Line2D([], [], label="float32", **SINGLE))
    own.append(Line2D([], [], label="control: other weights", **CONTROL))
    return own
