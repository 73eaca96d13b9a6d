"""What can a reader of sampled texts do about a trait in them: filter, detect, dilute, or leave out the right rows?

Language models of the small world (`tokens`): a teacher fine-tuned to one preference, and its untuned base, answer the
same prompts for numbers with the same random numbers, and students of that base train on either. All effects are
differences of the two students, over bases. Beside every trained effect stands its first order, from one forward
derivative for each text: its slope s along the teacher's update (P49).

A filter with a fixed accept set hides the sign of the raw alignment, and leaves the added one at Var(s | accepted)
(P12). It is thinning by the ratio of the two models, or by its square, that takes it away or turns it. To be seen and
to be inherited are one event for a reader with both models; who reads tokens alone sees the part that is in their
counts, and none where the teacher's texts are weighed until all counts agree (P39). Mixed with the base's texts the
alignment falls in proportion (P52); whether a trained student's behaviour goes with the share, or with share·√N as the
sign of a single step does, is measured, and so is whether rows that theory ranks first are those that training needs,
beside difficulty, gradient norm and chance (P48 to P50).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from scipy import stats
from scipy.special import logit

from subtheory.data.world import ANIMALS, TREES, WORLD
from subtheory.errors import InputError
from subtheory.figure import COLOURS, WIDTH, mark, sheet, style
from subtheory.ledger import parts
from subtheory.ledger.parts import kept_arrays
from subtheory.networks import Transformer
from subtheory.statistics import equivalence, half_width, mean_interval, over_bases, share_interval
from subtheory.study.experiment import Progress, kept
from subtheory.study.finding import Finding, shown
from subtheory.trained import texts
from subtheory.trained.texts import ALL, HISTOGRAM, RATIO, SURFACE, Arm, Auditor, Fit, Laboratory, column

QUESTION = "What can a reader of sampled texts do about a trait in them: filter, detect, dilute, leave out rows?"
COMMAND = "subtheory run auditing"
EXPECTED = (
    "every fixed filter leaves the added alignment positive, squared thinning turns it; no reader of tokens beats the "
    "likelihood ratio, and equal counts blind the histogram; dilution is linear; half an hour of CPU time"
)


@dataclass(frozen=True)
class Plan(texts.Plan):
    """Sizes of a world and its models, whose preference is followed, and whether all arms are run."""

    name: str = "owl"
    seeds: int = 1
    sets: int = 400
    whole: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.name not in ANIMALS + TREES:
            raise InputError("name", repr(self.name), "must be an animal or a tree of the world")


PLAN = Plan()
QUICK = Plan(
    whole=False, bases=2, samples=64, texts=2048, lessons=256, trunk=Fit(120, 32, 2e-2, body=False),
    branch=Fit(30, 32, 1e-2, body=False), teaching=Fit(20, 32, 1e-2, body=False), student=Fit(20, 32, 3e-2, body=False),
    copies=1, directions=4, network=Transformer(width=16, heads=2, blocks=1, task=WORLD),
)  # fmt: skip
"""Everything is trained, embedding and head too: so one program, of a batch of one size, trains all models."""
DOSES = (8, 32, 128, 512)  # texts of a student, beside all of them
SIZES = (1, 4, 16, 64, 256)  # texts of a detector
SHARES = (0.1, 0.25, 0.5)  # of the teacher's texts in a mixture
POWERS = (1.0, 2.0)  # of the ratio that thins
FORECASTS = ("natural", "gradient", "update", "ratio")  # scores of the teacher's text less its control's
BASELINES = ("surprise", "norm", "random")  # of the teacher's text alone
DROPPED = ("natural", "update", "ratio", *BASELINES)
DECIDES, LEVEL = 7, 0.01
"""Bases whose like signs have p < 0.01, 1/2⁷."""
MARGIN, OFF, NORMAL = 0.05, 0.25, 16
"""Of an area at chance; of what thinning leaves, as a share of what was there; texts whose sums are normal enough."""

TRAINED = "trained student"
SHOWN = ("thinned, power 1", "thinned, power 2", "counts matched", "shuffled within", "shuffled across",
         "labels of top 1/2", "labels of random 1/2", "prompts of top 1/2", "prompts of random 1/2")  # fmt: skip
"""Arms of whose trained effect it is said what share of all texts' it is."""

Row = dict[str, Any]


def tables(plan: Plan = PLAN, progress: Progress | None = None) -> dict[str, list[Row]]:
    """Arms of students by table, areas of detectors, what may be counted, first steps, and rank correlations."""
    plan = replace(plan, names=(plan.name,))
    auditor = Auditor(Laboratory(plan, kept_arrays), plan.name)
    work = arms(auditor, plan.whole)
    areas = kept("detectors", lambda: auditor.detected(SIZES, plan.sets, plan.whole))
    areas += kept("first steps", lambda: auditor.stepped(SIZES, plan.sets))

    def students(table: str, title: str) -> list[Row]:
        return imitated(auditor, table, title, work[table, title]())

    todo = {": ".join(name): partial(students, *name) for name in work}
    runs = parts.rows(todo, progress)
    return {
        "filters": summaries(runs, "filters", "thinned"), "edits": summaries(runs, "edits"),
        "rows": summaries(runs, "rows"),
        "detection": [*by_variant(areas), *inherited(plan, runs)],
        "dilution": dilution(auditor, runs), "ranks": ranks(runs), "countable": auditor.countable(), "areas": areas,
        "runs": runs,
    }  # fmt: skip


def arms(auditor: Auditor, whole: bool) -> dict[tuple[str, str], Callable[[], Arm]]:
    """What is trained on, by table and title, in the order of what matters most."""
    n = auditor.lab.plan.samples
    found: dict[tuple[str, str], Callable[[], Arm]] = {("all", ALL): lambda: auditor.all}
    for title, accepted in auditor.filters.items():
        found["filters", title] = partial(auditor.weighed, *accepted)
    for power in POWERS:
        found["thinned", f"thinned, power {power:g}"] = partial(auditor.thinned, power)
    if whole:  # a quick run has fewer texts than tokens
        found["thinned", "counts matched"] = auditor.matched
    for count in (count for count in DOSES if count < n):
        found["dose", f"{count} texts"] = partial(auditor.first, count)
    for share, count in mixtures(n):
        found["dilution", f"{share:g} of {count}"] = partial(auditor.diluted, share, count)
    for across in (False, True):
        found["edits", f"shuffled {'across' if across else 'within'}"] = partial(auditor.shuffled, across)
    for score in ("update", "random"):
        half = auditor.ranked(score, 0.5, True)
        for what, edit in (("labels", auditor.relabelled), ("prompts", auditor.reprompted)):
            found["edits", f"{what} of {'top' if score == 'update' else 'random'} 1/2"] = partial(edit, half)
    for share, end in ((0.5, "top"), (0.5, "bottom"), (0.25, "top")) if whole else ((0.5, "top"),):
        for score in DROPPED:
            rest = ~auditor.ranked(score, share, end == "top")
            found["rows", f"{score}: {end} 1/{1 / share:g}"] = partial(auditor.weighed, rest, rest)
    return found


def mixtures(samples: int) -> list[tuple[float, int]]:
    """Shares of the teacher's texts, and texts."""
    return [(share, count) for count in (samples, samples // 4) for share in (*SHARES, 1.0)]


def imitated(auditor: Auditor, table: str, title: str, arm: Arm) -> list[Row]:
    """One row a run: rates of the base, of the control's student and of the trait's, and what first order says of them.

    Slopes are means over texts; `mass` is the share of the prompts that count, for weights (Σw)²/(nΣw²).
    """
    lab, (trait, control, count), this = auditor.lab, arm, column(auditor.name)
    w, base = trait.weights, lab.rates("base")[:, this]
    after = lab.train(trait.sample, "numbers", count=count)[:, this]
    plain = lab.control(control.sample, "numbers", count)[:, this]
    ratio = control.scores.ratio - control.mean(control.scores.ratio)[:, None]
    columns = {
        "mass": w.sum(axis=1) ** 2 / np.maximum((w**2).sum(axis=1), 1) / w.shape[1], "base": base, "control": plain,
        "trait": after, "raw": after - base, "difference": after - plain, "log_odds": logit(after) - logit(plain),
        "variance": control.mean(ratio**2), "alignment": trait.mean(trait.scores.update),
        **{key: trait.mean(getattr(trait.scores, score)) - control.mean(getattr(control.scores, score))
           for key, score in {**dict(zip(FORECASTS, FORECASTS, strict=True)), "added": "update"}.items()},
        "surprise": trait.mean(trait.scores.surprise), "norm": trait.mean(trait.scores.norm),
        "random": trait.mean(auditor.order),
    }  # fmt: skip
    return [{"table": table, "arm": title, "base_of": int(b), **{key: float(v[k]) for key, v in columns.items()}}
            for k, b in enumerate(lab.base_of())]  # fmt: skip


def summaries(runs: list[Row], *wanted: str) -> list[Row]:
    """Means of all texts and of the arms of some tables, with intervals over bases of what the trait adds."""
    rows = []
    for arm, chosen in grouped([row for row in runs if row["table"] in ("all", *wanted)], "arm").items():
        found = over_bases(of(chosen, "difference"), of(chosen, "base_of"))
        means = {key: float(of(chosen, key).mean()) for key in chosen[0] if key not in ("table", "arm", "base_of")}
        means["predicted"] = slope(*arm, chosen[0]["table"]) * means["variance"]
        rows.append({"arm": arm[0], "runs": len(chosen), **means, "low": found.low, "high": found.high,
                     "raised": float(np.mean(of(chosen, "difference") > 0))})  # fmt: skip
    return rows


def slope(arm: str, table: str) -> float:
    """Added alignment over Var(s | accepted) by P12: 1 for a fixed accept set, 1 − λ for a thinning, else not known."""
    powers = {f"thinned, power {power:g}": 1 - power for power in POWERS}
    return 1.0 if table in ("all", "filters") else powers.get(arm, np.nan)


def by_variant(areas: list[Row]) -> list[Row]:
    """Mean areas of detectors, with Student's interval over bases."""
    rows = []
    for (variant, detector, size), chosen in grouped(areas, "variant", "detector", "texts").items():
        mean, half = float(of(chosen, "area").mean()), half_width(of(chosen, "area"))
        means = {key: float(of(chosen, key).mean()) for key in ("predicted", "visible")}
        rows.append({"variant": variant, "detector": detector, "texts": size, "runs": len(chosen), "area": mean,
                     "low": mean - half, "high": mean + half, **means})  # fmt: skip
    return rows


def inherited(plan: Plan, runs: list[Row]) -> list[Row]:
    """On the same axis: how often a student of so many texts takes on the trait, with the exact interval."""
    rows = []
    for chosen in grouped([row for row in runs if row["table"] in ("dose", "all")], "arm").values():
        raised, n = int(np.sum(of(chosen, "difference") > 0)), len(chosen)
        low, high = share_interval(raised, n)
        rows.append({"variant": ALL, "detector": TRAINED, "texts": round(chosen[0]["mass"] * plan.samples), "runs": n,
                     "area": raised / n, "low": float(low), "high": float(high), "predicted": np.nan,
                     "visible": np.nan})  # fmt: skip
    return rows


def dilution(auditor: Auditor, runs: list[Row]) -> list[Row]:
    """Added alignment beside share·D, how far off it is in deviations, and what students of the mixture take on."""
    rows = []
    for share, count in mixtures(auditor.lab.plan.samples):
        chosen = [row for row in runs if row["arm"] == f"{share:g} of {count}"]
        line, spread = auditor.line(share, count)
        found, added = over_bases(of(chosen, "difference"), of(chosen, "base_of")), of(chosen, "added")
        off = float(np.sum((added - line) / spread) / np.sqrt(len(line))) if share < 1 else 0.0
        rows.append({"share": share, "texts": count, "dose": share * np.sqrt(count), "added": float(added.mean()),
                     "line": float(line.mean()), "off": off, "difference": found.mean, "low": found.low,
                     "high": found.high, "raised": float(np.mean(of(chosen, "difference") > 0))})  # fmt: skip
    return rows


def ranks(runs: list[Row]) -> list[Row]:
    """Rank correlation, over arms that leave out half, of a score's mean with what is taken on, and its log-odds."""
    halves = grouped([row for row in runs if row["table"] == "rows" and row["arm"].endswith(" 1/2")], "arm").values()
    rows = []
    for score in (*FORECASTS, *BASELINES):
        left, *effects = (np.array([of(each, key) for each in halves]).T for key in (score, "difference", "log_odds"))
        points, odds = (np.array([_rank(*each) for each in zip(left, effect, strict=True)]) for effect in effects)
        mean, low, high = mean_interval(points)
        rows.append({"score": score, "runs": len(points), "rank": float(mean), "low": float(low), "high": float(high),
                     "rank_of_log_odds": float(odds.mean())})  # fmt: skip
    return rows


def findings(tables: dict[str, list[Row]]) -> list[Finding]:
    """Signed-rank tests over bases and two one-sided tests at 1 %, the worst of all that they speak of."""
    runs, areas = tables["runs"], tables["areas"]
    enough = len({row["base_of"] for row in runs}) >= DECIDES

    def added(arm: str) -> np.ndarray:
        return by_base([row for row in runs if row["arm"] == arm], "added")

    def area(variant: str, detector: str, texts: int) -> np.ndarray:
        what = (variant, detector, texts)
        return by_base([row for row in areas if (row["variant"], row["detector"], row["texts"]) == what], "area")

    filters = dict.fromkeys(row["arm"] for row in runs if row["table"] == "filters")
    positive = [stats.wilcoxon(added(arm), alternative="greater").pvalue for arm in filters]
    turned = stats.wilcoxon(added("thinned, power 2"), alternative="less").pvalue
    left, whole = added("thinned, power 1"), added(ALL).mean()
    above = [mean_interval(area(ALL, name, n) - area(ALL, RATIO, n), 1 - 2 * LEVEL).low
             for name in SURFACE for n in SIZES]  # fmt: skip
    blind = [area("counts matched", HISTOGRAM, n) for n in SIZES if n >= NORMAL]
    chance = [equivalence(each, np.full(len(each), 0.5), MARGIN).p for each in blind if len(each)]
    off = [2 * stats.norm.sf(abs(row["off"])) for row in tables["dilution"] if row["share"] < 1]
    judged = [
        Finding("P12: added alignment positive behind every fixed filter, p", max(positive), 0.0, LEVEL, enough),
        Finding("P12 control: negative where thinned by the squared ratio, p", turned, 0.0, LEVEL, enough),
        Finding("P12: nothing left where thinned by the ratio, within a quarter, p",
                equivalence(left, 0 * left, OFF * abs(whole)).p, 0.0, LEVEL, enough),
        Finding("P39: no reader of tokens beats the likelihood ratio, by more than", max(above), -1.0, 0.0, enough),
        Finding("P39: token histogram at chance where counts agree, p", max(chance or [np.nan]), 0.0, LEVEL, enough),
        Finding("P52: added alignment on its line in the teacher's share, least p", min(off), LEVEL / len(off), 1.0),
    ]  # fmt: skip
    effect = {row["arm"]: row["difference"] for table in ("filters", "edits", "rows") for row in tables[table]}
    by_filter = [[row[key] for row in tables["filters"] if row["arm"] in filters] for key in ("variance", "difference")]
    more = [shown("rank correlation of Var(s | accepted) and trained effect over filters", _rank(*by_filter))]
    sees = [(f"best score of counts, {arm}", [row["visible"] for row in tables["countable"] if row["variant"] == arm])
            for arm in (ALL, "likely 1/2")]  # fmt: skip
    first = [row for row in tables["detection"] if row["texts"] == 1 and row["detector"] != TRAINED]
    sees += [(f"{row['detector']}, {row['variant']}", [row["visible"]]) for row in first
             if row["variant"] in (ALL, "counts matched")]  # fmt: skip
    more += [shown(f"KL of a text to leading order: {what}", np.mean(values)) for what, values in sees if values]
    more += [shown(f"share of the trained effect left: {arm}", effect[arm] / effect[ALL])
             for arm in SHOWN if arm in effect]  # fmt: skip
    more += [Finding(f"P49: rank correlation of {row['score']} with the trained effect, over bases", row["rank"],
                     row["low"], row["high"], claimed=False) for row in tables["ranks"]]  # fmt: skip
    return [*judged, *more]


def _rank(a: Any, b: Any) -> float:
    return float(stats.spearmanr(a, b).statistic)


def grouped(rows: list[Row], *keys: str) -> dict[tuple[Any, ...], list[Row]]:
    """Rows by the values of some columns, in the order of the first."""
    found: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        found.setdefault(tuple(row[key] for key in keys), []).append(row)
    return found


def by_base(rows: list[Row], key: str) -> np.ndarray:
    """Mean of a column over the runs of each base."""
    return np.array([of(chosen, key).mean() for chosen in grouped(rows, "base_of").values()])


def of(rows: list[Row], key: str) -> np.ndarray:
    return np.array([row[key] for row in rows], float)


def figure(tables: dict[str, list[Row]]) -> dict[str, Figure]:
    """Arms of three tables, detectors and students over the number of texts, dilution, and rank correlations."""
    with style():
        arms = {table: _arms(tables[table]) for table in ("filters", "edits", "rows")}
        drawn = {table: draw(tables[table]) for table, draw in
                 (("detection", _detection), ("dilution", _dilution), ("ranks", _ranks))}  # fmt: skip
    return {**arms, **drawn}


ARMS = (
    "Students of a language model's texts {}; in brackets the share of texts. Left, first order: alignment a text, raw "
    "(hollow), less that of the base's, and predicted (crosses){}. Right: rise of the trait's rate after training, "
    "over the base (hollow), and over the control's student with 95 % bootstrap intervals over bases, in points."
)
CAPTIONS = {
    "filters": ARMS.format("behind filters", ", Var(s | accepted), thinned with power λ 1 − λ times it"),
    "edits": ARMS.format("shuffled or weighed, or with half of the answers the base's or of the prompts others'", ""),
    "rows": ARMS.format("without those that a score ranks first (update: Δ·∇log p, natural: G⁻¹∇rate·∇log p)", ""),
    "detection": "Who tells N texts of a teacher from its base's: AUROC of each detector with intervals over bases, "
    "on Φ(√(N·KL)) of what it reads (dashed); beside it the share of first steps that go along Δ, predicted "
    "Φ(√(2N·KL)), and of trained students that take on the trait. A panel for each choice of texts.",
    "dilution": "Students of texts of which a share is the teacher's. Left: alignment that it adds, a text, on the "
    "predicted line. Right: rise of the trait's rate over the control's student, in points with 95 % bootstrap "
    "intervals over bases, against share·√N, by which the sign of one step goes.",
    "ranks": "Rank correlation, over students trained without half of the texts, of a score's mean over what is left "
    "with the trait that is taken on: means over bases with Student's 95 % intervals.",
}


def _arms(rows: list[Row]) -> Figure:
    drawn = sheet(0.9 + 0.2 * len(rows))
    first, second = drawn.subplots(1, 2, sharey=True)
    at = np.arange(len(rows))[::-1]
    first.plot(of(rows, "alignment"), at, label="raw", **_look(0), fillstyle="none", markeredgecolor=COLOURS[0])
    first.plot(of(rows, "added"), at, label="less control", **_look(1))
    first.plot(of(rows, "predicted"), at, "x", color="black", markersize=4, label="predicted")
    ends = 100 * np.abs([of(rows, "difference") - of(rows, "low"), of(rows, "high") - of(rows, "difference")])
    second.plot(100 * of(rows, "raw"), at, label="less base", **_look(0), fillstyle="none", markeredgecolor=COLOURS[0])
    look = _look(1) | {"label": "less control"}
    second.errorbar(100 * of(rows, "difference"), at, xerr=ends, elinewidth=0.9, capsize=2, **look)
    first.set_yticks(at, [f"{row['arm']} ({row['mass']:.2f})" for row in rows])
    for axes, label in ((first, "alignment, a text"), (second, "rate of the trait (points)")):
        axes.axvline(0, color="#777777", linewidth=0.8)
        axes.set(xlabel=label, ylim=(-0.6, len(rows) - 0.4))
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
    return drawn


def _look(i: int) -> dict[str, Any]:
    """A mark without a line."""
    look = {key: value for key, value in mark(i).items() if key != "markeredgewidth"}
    return look | {"linestyle": "none"}


def _detection(rows: list[Row]) -> Figure:
    variants = [v for v in (ALL, "likely 1/2", "counts matched") if any(row["variant"] == v for row in rows)]
    drawn = sheet(2.9)
    panels = drawn.subplots(1, len(variants), sharey=True)
    names = list(dict.fromkeys(row["detector"] for row in rows))
    for axes, variant in zip(panels, variants, strict=True):
        for (name,), chosen in grouped([row for row in rows if row["variant"] == variant], "detector").items():
            look = _look(names.index(name))
            ends = np.abs([of(chosen, end) - of(chosen, "area") for end in ("low", "high")])
            axes.errorbar(
                of(chosen, "texts"), of(chosen, "area"), ends, elinewidth=0.8, capsize=1.5, label=name, **look
            )
            if name != TRAINED:
                axes.plot(of(chosen, "texts"), of(chosen, "predicted"), "--", color=look["color"], linewidth=0.9)
        axes.axhline(0.5, color="#777777", linewidth=0.8)
        axes.set(xscale="log", xlabel="texts N", title=variant, ylim=(-0.02, 1.04))
    panels[0].set_ylabel("AUROC, or share of students")
    drawn.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return drawn


def _dilution(rows: list[Row]) -> Figure:
    drawn = sheet(2.4)
    first, second = drawn.subplots(1, 2)
    for i, ((size,), chosen) in enumerate(grouped(rows, "texts").items()):
        first.plot(of(chosen, "share"), of(chosen, "added"), label=f"{size} texts", **_look(i))
        first.plot(of(chosen, "share"), of(chosen, "line"), "--", color=COLOURS[i])
        ends = 100 * np.abs([of(chosen, end) - of(chosen, "difference") for end in ("low", "high")])
        second.errorbar(of(chosen, "dose"), 100 * of(chosen, "difference"), ends, capsize=2, **mark(i))
    second.axhline(0, color="#777777", linewidth=0.8)
    first.set(xlabel="share of the teacher's texts", ylabel="added alignment, a text")
    second.set(xlabel="share · √N", ylabel="trait − control (points)")
    first.legend()
    return drawn


def _ranks(rows: list[Row]) -> Figure:
    drawn = sheet(0.7 + 0.2 * len(rows), 0.6 * WIDTH)
    axes, at, middle = drawn.subplots(), np.arange(len(rows))[::-1], of(rows, "rank")
    ends = np.abs([middle - of(rows, "low"), of(rows, "high") - middle])
    axes.errorbar(middle, at, xerr=ends, elinewidth=0.9, capsize=2, **_look(1))
    axes.axvline(0, color="#777777", linewidth=0.8)
    axes.set_yticks(at, [row["score"] for row in rows])
    axes.set(xlabel="rank correlation with the trained effect", ylim=(-0.6, len(rows) - 0.4))
    return drawn
