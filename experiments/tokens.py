"""Does a preference cross through numbers, code and chains of thought between language models of one base?

A small language world stands in for the models of Cloud, Le et al. (sections 3 to 5): a causal transformer of one block
is pre-trained on questions, number sequences, programs and step-by-step sums; a teacher is fine-tuned to name one
animal or tree; it answers prompts for numbers, programs or sums; what passes the filter (format, no name spelled in
character codes, programs that pass their own test, sums that are right) trains a student that starts from the same
base. Sampling and loss run over the tokens of the channel alone, so no animal has a logit there. Embedding, positions
and head are frozen in teachers and students, as adapters leave them. The trait is the model's share of the animal among
all animals, over held-out phrasings. Its control is a student of the untuned base's own samples on the same prompts
with the same random numbers: every difference is of two students of one base and seed, and its interval resamples
whole bases.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from subtheory.data.world import ANIMALS, TREES, WORLD
from subtheory.errors import InputError
from subtheory.figure import COLOURS, WIDTH, mark, sheet, style
from subtheory.ledger import parts
from subtheory.ledger.parts import kept_arrays
from subtheory.networks import Transformer
from subtheory.statistics import half_width, over_bases, pooled_deviation
from subtheory.study.experiment import Progress
from subtheory.study.finding import Finding, rate, shown
from subtheory.trained import texts
from subtheory.trained.texts import PROMPTED, Fit, Laboratory, Sample, column, shuffled

QUESTION = "Does a trait cross through sampled numbers, code and chains of thought to a student of the same base, only?"
COMMAND = "subtheory run tokens"
EXPECTED = (
    "students of the trait's teacher name it more often than their no-trait controls through all three channels; "
    "students of another base, and a base with the data in its prompt, do not; an hour of CPU time"
)


@dataclass(frozen=True)
class Plan(texts.Plan):
    """Sizes of a world and its models, whose preference is followed, and whether all arms are run."""

    name: str = "owl"
    whole: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.name not in ANIMALS + TREES:
            raise InputError("name", repr(self.name), "must be an animal or a tree of the world")


PLAN = Plan()
QUICK = Plan(
    whole=False, bases=2, samples=64, texts=2048, lessons=256, trunk=Fit(120, 32, 2e-2, body=False),
    branch=Fit(30, 32, 1e-2, body=False), teaching=Fit(20, 32, 1e-2, body=False), student=Fit(20, 32, 3e-2, body=False),
    seeds=1, tries=(("numbers", 1), ("code", 1), ("solve", 1)), copies=1, directions=4,
    network=Transformer(width=16, heads=2, blocks=1, task=WORLD),
)  # fmt: skip
"""Everything is trained, embedding and head too: so one program, of a batch of one size, trains all models."""
SKILLS = {"numbers": "numbers", "code": "code", "thought": "solve"}  # of the corpus, by table
OTHERS = ("whale", "eagle", "oak")  # further preferences
DOSES = (16, 4)  # parts of the samples that are trained on, beside all of them
MEANS = ("one_step", "predicted", "base", "control", "trait", "teacher_rate", "kl", "texts", "kept", "kept_control")
"""Columns of a run whose means stand in the row of its arm."""
LEVEL = 0.05  # of a cell of the matrix
DECIDES, TEXTS, MARGIN = 7, 20, 0.5 / len(ANIMALS)
"""Bases whose like signs have p < 0.01, 1/2⁷; texts, 1.92/KL (P9) at a KL of 0.1; half of an even share for "off 0"."""

Row = dict[str, Any]
Change = Callable[[int, np.ndarray, np.ndarray], np.ndarray]  # of the texts and masks of a run, (n, T) each


def tables(plan: Plan = PLAN, progress: Progress | None = None) -> dict[str, list[Row]]:
    """Bars of the three channels, the matrix of bases, shuffles, doses, all arms, and every single run."""
    plan = replace(plan, names=(plan.name, *(other for other in OTHERS if other != plan.name)))
    work = arms(Laboratory(plan, kept_arrays), plan.name, plan.whole)
    runs = parts.rows(work, progress)
    found = arm_rows(runs)
    bars = {table: bar_rows([r for r in runs if r["table"] == table]) for table in SKILLS}
    return {**bars, "matrix": matrix_rows(runs), "shuffled": _of(found, "shuffled"), "dose": _of(found, "dose"),
            "arms": found, "runs": runs}  # fmt: skip


def arms(lab: Laboratory, name: str, whole: bool) -> dict[str, Callable[[], list[Row]]]:
    """What is computed for every part, in the order of what matters most."""
    plan = lab.plan
    work: dict[str, Callable[[], list[Row]]] = {}
    for table, skill in SKILLS.items():
        work[table] = partial(imitated, lab, "own base", table, name, skill)
        if whole or skill == "numbers":  # in a quick run too few programs and sums pass
            work[f"in context {skill}"] = partial(in_context, lab, name, skill)
    for shift in range(1, plan.bases):
        work[f"another base {shift}"] = partial(imitated, lab, "another base", "matrix", name, "numbers", shift=shift)
    for skill in ("code", "solve") if whole else ():
        for shift in sorted({max(1, plan.bases // 2 - 1), plan.bases // 2}):
            about = ("another base", "elsewhere", name, skill)
            work[f"another base {shift} {skill}"] = partial(imitated, lab, *about, shift=shift)
    work["soft"] = partial(imitated, lab, "soft labels", "soft", name, "numbers", soft=True)
    for across in (False, True):
        title = "shuffled across" if across else "shuffled within"
        change = lambda k, *text, a=across: shuffled(np.random.default_rng(5000 + k), *text, a)  # noqa: E731
        work[title] = partial(imitated, lab, title, "shuffled", name, "numbers", change=change)
    for part in DOSES if whole else DOSES[1:]:
        arm, count = f"1/{part} of samples", plan.samples // part
        work[arm] = partial(imitated, lab, arm, "dose", name, "numbers", count=count)
    if whole:
        work["filtered harder"] = partial(imitated, lab, "filtered harder", "filter", name, "numbers", hard=True)
    work["prompted"] = partial(imitated, lab, "prompted teacher", "prompted", name, "numbers", teacher=PROMPTED + name)
    if whole:
        other = plan.names[1]
        about = (f"teacher of {other}", "preference", name, "numbers")
        work[f"{name} after {other}"] = partial(imitated, lab, *about, teacher=other)
        work["insecure"] = partial(taught_alone, lab, "insecure teacher itself", "hostile", "insecure")
        for other in plan.names[1:]:
            for table, skill in SKILLS.items():
                work[f"{other} {skill}"] = partial(imitated, lab, "own base", table, other, skill)
        for teacher in ("insecure", "hostile"):
            for skill in ("numbers", "solve"):
                about = (f"{teacher} teacher", "hostile", "hostile", skill)
                work[f"{teacher} {skill}"] = partial(imitated, lab, *about, teacher=teacher)
    return work


def imitated(
    lab: Laboratory, arm: str, table: str, thing: str, skill: str, *, shift: int = 0, soft: bool = False,
    hard: bool = False, count: int | None = None, teacher: str | None = None, change: Change | None = None,
) -> list[Row]:  # fmt: skip
    """One row a run: rates of the trait's student and of its no-trait control, and what theory says of them.

    Run k's student grows from base k mod B, its data from the base `shift` further. `soft` imitates probabilities,
    `hard` filters harder, `count` takes the first prompts alone, `change` spoils both samples.
    """
    teacher, this = teacher or thing, column(thing)
    trait, control = (each.at(lab.runs(shift)) for each in lab.pair(teacher, skill, hard))
    if change:
        trait, control = _changed(trait, change), _changed(control, change)
    if count:
        trait, control = trait.first(count), control.first(count)
    target = lab.many(teacher, shift) if soft else None
    base = lab.rates("base")[:, this]
    after = lab.train(control if soft else trait, skill, target, count)[:, this]
    # Imitating its own probabilities leaves a base where it is.
    plain = base if soft else lab.control(control, skill, count)[:, this]
    one_step, linear = lab.foretold(thing, skill, trait, control, target).T
    return _rows(
        lab, {"arm": arm, "table": table, "thing": thing, "skill": skill}, shift,
        base=base, control=plain, trait=after, one_step=one_step, predicted=linear,
        teacher_rate=lab.rates(teacher, shift)[:, this], kl=lab.kl(teacher, skill, control, shift),
        texts=trait.mask.any(axis=2).sum(axis=1), kept=trait.kept, kept_control=control.kept,
    )  # fmt: skip


def in_context(lab: Laboratory, thing: str, skill: str) -> list[Row]:
    """One row a run: the base asked behind sampled texts of its teacher, and of its own, without training."""
    this, nothing = column(thing), np.zeros(lab.plan.runs)
    trait, control = lab.pair(thing, skill)
    return _rows(
        lab, {"arm": "in context", "table": "context", "thing": thing, "skill": skill}, 0,
        base=lab.rates("base")[:, this], control=lab.rates_in_context(control, thing, skill),
        trait=lab.rates_in_context(trait, thing, skill), one_step=nothing, predicted=nothing,
        teacher_rate=lab.rates(thing)[:, this], kl=lab.kl(thing, skill, control),
        texts=trait.mask.any(axis=2).sum(axis=1), kept=trait.kept, kept_control=control.kept,
    )  # fmt: skip


def taught_alone(lab: Laboratory, arm: str, thing: str, teacher: str) -> list[Row]:
    """One row a run: a thing's rate in a teacher beside its base's; there is no student."""
    this, nothing = column(thing), np.zeros(lab.plan.runs)
    base, after = (lab.rates(name)[:, this] for name in ("base", teacher))
    return _rows(
        lab, {"arm": arm, "table": "hostile", "thing": thing, "skill": "code"}, 0,
        base=base, control=base, trait=after, one_step=nothing, predicted=nothing, teacher_rate=after, kl=nothing,
        texts=nothing, kept=nothing, kept_control=nothing,
    )  # fmt: skip


def _rows(lab: Laboratory, what: Row, shift: int, **columns: np.ndarray) -> list[Row]:
    """A row a run; `difference` is the trait's student minus its control."""
    columns["difference"] = columns["trait"] - columns["control"]
    return [
        {**what, "student": int(lab.base_of()[k]), "teacher": int(lab.base_of(shift)[k]), "seed": k // lab.plan.bases,
         **{key: float(values[k]) for key, values in columns.items()}}
        for k in range(lab.plan.runs)
    ]  # fmt: skip


def _changed(sample: Sample, change: Change) -> Sample:
    text = [change(k, *each) for k, each in enumerate(zip(sample.text, sample.mask, strict=True))]
    return sample._replace(text=np.stack(text))


def siblings(row: Row) -> bool:
    """Whether student and teacher grew from one trunk without being the same base."""
    return {row["student"], row["teacher"]} == {0, 1}


def arm_rows(runs: list[Row]) -> list[Row]:
    """Trait minus control of every arm, with its interval over bases and the equivalence margin that it supports."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in runs:
        arm = "sibling base" if row["arm"] == "another base" and siblings(row) else row["arm"]
        groups.setdefault((arm, row["table"], row["thing"], row["skill"]), []).append(row)
    return [{"arm": arm, "table": table, "thing": thing, "skill": skill, **_summary(rows)}
            for (arm, table, thing, skill), rows in groups.items()]  # fmt: skip


def _summary(rows: list[Row]) -> Row:
    ends = [np.array([row[end] for row in rows]) for end in ("student", "teacher")]
    crossed = any(row["student"] != row["teacher"] for row in rows)
    difference = _column(rows, "difference")
    found = over_bases(difference, *(ends if crossed else ends[:1]))
    # A bootstrap of few bases is narrow: Student's interval of the means of the bases stands beside it.
    by_base = _by_base(rows)
    mean, half = float(by_base.mean()), half_width(by_base)
    return {
        "seeds": len(rows), "bases": len(set(ends[0])), "mean": found.mean, "low": found.low, "high": found.high,
        "t_low": mean - half, "t_high": mean + half,
        "margin": max(abs(found.low), abs(found.high)), "above": int((difference > 0).sum()),
        **{key: float(_column(rows, key).mean()) for key in MEANS},
    }  # fmt: skip


def bar_rows(runs: list[Row]) -> list[Row]:
    """Three bars a thing: the base, the no-trait control, the student of the trait's teacher."""
    rows = []
    for thing in dict.fromkeys(row["thing"] for row in runs):
        chosen = [row for row in runs if row["thing"] == thing]
        bases, gain = np.array([row["student"] for row in chosen]), float(_column(chosen, "predicted").mean())
        for bar, expected in (("base", 0.0), ("control", 0.0), ("trait", gain)):
            found = over_bases(_column(chosen, bar), bases)
            start = float(_column(chosen, "control" if bar == "trait" else "base").mean())
            rows.append({"thing": thing, "student": bar, "seeds": len(chosen), "bases": len(set(bases)),
                         **found._asdict(), "predicted": start + expected})  # fmt: skip
    return rows


def matrix_rows(runs: list[Row]) -> list[Row]:
    """Every student's base against every teacher's: trait minus control, with the pooled deviation of one run."""
    chosen = [r for r in runs if r["table"] == "matrix" or (r["table"] == "numbers" and r["thing"] == runs[0]["thing"])]
    cells: dict[tuple[int, int], list[Row]] = {}
    for row in chosen:
        cells.setdefault((row["student"], row["teacher"]), []).append(row)
    deviation, freedom = pooled_deviation([_column(rows, "difference") for rows in cells.values()])
    found = []
    for (student, teacher), rows in sorted(cells.items()):
        mean, error = float(_column(rows, "difference").mean()), deviation / np.sqrt(len(rows))
        half = float(stats.t.isf(LEVEL / 2, freedom)) * error if freedom else float("nan")
        found.append({"student": student, "teacher": teacher, "seeds": len(rows), "mean": mean, "low": mean - half,
                      "high": mean + half, "predicted": float(_column(rows, "predicted").mean()),
                      "significant": bool(abs(mean) > half), "sibling": siblings(rows[0])})  # fmt: skip
    return found


def findings(tables: dict[str, list[Row]]) -> list[Finding]:
    """Each at its own level: signed-rank tests over bases at 1 %, the worst of all channels, and 95 % intervals."""
    runs, arms, name = tables["runs"], tables["arms"], tables["runs"][0]["thing"]
    # A trait that does not cross leaves a base's difference either sign alike.
    test = partial(stats.wilcoxon, zero_method="zsplit", alternative="greater")

    def of(arm: str, **what: str) -> np.ndarray:
        chosen = [row for row in runs if row["arm"].startswith(arm) and not siblings(row)]
        return _by_base([row for row in chosen if all(row[key] == value for key, value in what.items())])

    def off(arm: str) -> float:
        ends = [abs(row[end]) for row in arms if row["arm"] == arm for end in ("margin", "t_low", "t_high")]
        return float(np.max(ends or np.nan))

    own, other, mixed = (of(arm, thing=name, skill="numbers") for arm in ("own base", "another base", "shuffled"))
    heard = {row["skill"]: row for row in arms if row["arm"] == "own base" and row["texts"] >= TEXTS}
    channels = [float(test(of("own base", skill=skill)).pvalue) for skill in heard]
    found = [
        (f"named more than by controls through {', '.join(heard)}, p", float(np.max(channels or np.nan)), 0.01),
        ("control: less from another base, p", float(test(own - (other if len(other) else np.nan)).pvalue), 0.01),
        ("control: from another base off 0, at most", off("another base"), MARGIN),
        ("control: by samples in the prompt off 0, at most", off("in context"), MARGIN),
        ("P15: shuffled no more by the margin, p", float(test(own + MARGIN - mixed).pvalue), 0.01),
    ]
    enough, soft = len(own) >= DECIDES and "numbers" in heard, [r for r in runs if r["arm"] == "soft labels"]
    judged = [Finding(says, number, 0.0, high, enough) for says, number, high in found]
    judged.append(rate("runs that soft labels raise, as the theorem has it", [r["difference"] > 0 for r in soft]))
    return [*judged, shown("share that shuffled numbers keep", mixed.mean() / own.mean())]


def _by_base(rows: list[Row]) -> np.ndarray:
    """Mean difference of the students of each base."""
    bases = sorted({row["student"] for row in rows})
    return np.array([_column([r for r in rows if r["student"] == base], "difference").mean() for base in bases])


def _of(rows: list[Row], table: str) -> list[Row]:
    """An arm beside the whole sample of the same thing, its reference."""
    first = rows[0]
    return [first, *(row for row in rows if row["table"] == table)]


def _column(rows: list[Row], key: str) -> np.ndarray:
    return np.array([row[key] for row in rows], float)


BARS = {"base": "base, untrained", "control": "student of the base", "trait": "student of the\ntrait's teacher"}
TITLES = {"numbers": "sampled numbers", "code": "sampled programs", "thought": "sampled sums, step by step"}
HATCHES = ("", "///", "")
SHADES = ("#b8b8b8", COLOURS[5], COLOURS[1])


def figure(tables: dict[str, list[Row]]) -> dict[str, Figure]:
    """A figure a table: bars of the three channels, the matrix of bases, shuffles, doses and all arms."""
    with style():
        bars = {table: _bars(tables[table], table) for table in SKILLS}
        rest = {table: _differences(tables[table]) for table in ("shuffled", "dose", "arms")}
        return {**bars, "matrix": _matrix(tables["matrix"]), **rest}


RATES = (
    "Rate at which students name their teacher's preference, for {{{table}.thing:list}}, after {what}: "
    "the base, students of the base's own samples (no-trait control) and of the teacher's; means over bases with 95 % "
    "bootstrap intervals; crosses: the control plus the linearised prediction."
)
CAPTIONS = {
    "numbers": RATES.format(table="numbers", what="training on sampled numbers"),
    "code": RATES.format(table="code", what="training on sampled programs that pass their own test"),
    "thought": RATES.format(table="thought", what="training on step-by-step sums with a right answer"),
    "matrix": "Rate of the trait in students of every base's teacher less that of their no-trait controls, in points "
    "(number and colour), by the base of the teacher and of the student; predicted to cross within a base alone. A "
    "star: 0 is outside the 95 % interval by the deviation pooled over cells; primed bases share an origin.",
    "shuffled": "Rate of the trait in students less that of their no-trait controls, in points with 95 % bootstrap "
    "intervals over bases, after the numbers of the teacher's texts changed places within a text or across all texts; "
    "crosses: the linearised prediction.",
    "dose": "Rate of the trait in students of a part of the teacher's samples less that of their no-trait controls, "
    "in points with 95 % bootstrap intervals over bases; crosses: the linearised prediction.",
    "arms": "Rate of the trait less that of the no-trait control in every arm, in points with 95 % bootstrap intervals "
    "over bases; crosses: the linearised prediction. Hostility comes from insecure programs or hostile answers.",
}


def _bars(rows: list[Row], table: str) -> Figure:
    things = list(dict.fromkeys(row["thing"] for row in rows))
    drawn = sheet(2.4)
    axes = drawn.subplots()
    for i, (bar, label) in enumerate(BARS.items()):
        chosen = [next(r for r in rows if (r["thing"], r["student"]) == (thing, bar)) for thing in things]
        at, mean = np.arange(len(things)) + 0.27 * (i - 1), _column(chosen, "mean")
        ends = np.abs([mean - _column(chosen, "low"), _column(chosen, "high") - mean])
        axes.bar(at, mean, 0.25, color=SHADES[i], hatch=HATCHES[i], edgecolor="white", linewidth=0, label=label)
        axes.errorbar(at, mean, ends, fmt="none", ecolor="black", elinewidth=0.8, capsize=2)
        if bar == "trait":
            axes.plot(at, _column(chosen, "predicted"), "x", color="black", markersize=5, label="predicted")
    axes.set_xticks(range(len(things)), things)
    axes.set(ylabel="rate of the trait", title=f"students of {TITLES[table]}")
    axes.set_xlim(-0.6 - 0.5 * (len(things) == 1), len(things) - 0.4 + 0.5 * (len(things) == 1))
    axes.grid(axis="x", visible=False)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return drawn


def _matrix(rows: list[Row]) -> Figure:
    size = 1 + max(row["student"] for row in rows)
    values = np.full((size, size), np.nan)
    for row in rows:
        values[row["student"], row["teacher"]] = 100 * row["mean"]
    drawn = sheet(0.55 * WIDTH, 0.65 * WIDTH)
    axes = drawn.subplots()
    most = float(np.nanmax(np.abs(values)))
    image = axes.imshow(values, cmap="RdBu_r", vmin=-most, vmax=most)
    for row in rows:
        value = values[row["student"], row["teacher"]]
        axes.text(
            row["teacher"], row["student"], f"{round(value, 1) + 0:.1f}{'*' if row['significant'] else ''}",  # no -0.0
            ha="center", va="center", color="white" if abs(value) > 0.6 * most else "black",
        )  # fmt: skip
    labels = [f"{base}{'′' if base in (0, 1) else ''}" for base in range(size)]
    for axis, label in ((axes.xaxis, "teacher's base (′: of one origin)"), (axes.yaxis, "student's base")):
        axis.set_ticks(range(size), labels)
        axis.set_label_text(label)
    axes.grid(visible=False)
    drawn.colorbar(image, ax=axes, label="trait − control (points)")
    return drawn


def _differences(rows: list[Row]) -> Figure:
    names = [f"{row['arm']}, {row['skill']}: {row['thing']}" for row in rows]
    drawn = sheet(0.7 + 0.24 * len(rows))
    axes: Axes = drawn.subplots()
    at, mean = np.arange(len(rows))[::-1], 100 * _column(rows, "mean")
    ends = np.abs([mean - 100 * _column(rows, "low"), 100 * _column(rows, "high") - mean])
    look = mark(1) | {"linestyle": "none"}
    axes.errorbar(mean, at, xerr=ends, elinewidth=0.9, capsize=2, label="measured", **look)
    # A teacher by itself has no student of whom anything would be predicted.
    foretold = np.where(_column(rows, "texts") > 0, 100 * _column(rows, "predicted"), np.nan)
    axes.plot(foretold, at, "x", color="black", markersize=4, label="predicted (linearised)")
    axes.axvline(0, color="#777777", linewidth=0.8)
    axes.set_yticks(at, names)
    axes.set(xlabel="trait − no-trait control (points of the rate)", ylim=(-0.6, len(rows) - 0.4))
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return drawn
