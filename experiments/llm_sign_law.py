"""Does a student of sampled numbers know anything of a language model's teacher but N times a divergence?

SmolLM2 (or another model) is θ0; teachers at θ0 + εΔ, Δ = −∇L_T of a preference for owls, write short lists of numbers,
restricted to digits, comma and blank. Each sequence adds its score s, of one forward derivative, to the alignment of a
student that imitates its tokens. Before a teacher says anything, sequences of θ0 itself give the information v = E s²,
the size ε of a wanted KL = ½ε²v, and what the law neglects: mean εv + ½ε²h″, skew of s. Then E s of the teachers, the
variance of s, and in groups of N sequences the share of students that step towards the teacher, on Φ(√(2N KL)) (P9).
A cell of teacher and N is judged where what is neglected shifts Φ by less than half of the share's standard error; the
curve with the skew in it is drawn beside. Control: as many sequences of θ0, a coin.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import norm

from subtheory.figure import COLOURS, MARKERS, sheet, style
from subtheory.language.anatomy import lesson, signs
from subtheory.ledger import parts
from subtheory.numerics import float64
from subtheory.statistics import as_often, share_interval
from subtheory.study.experiment import Progress
from subtheory.study.finding import Finding, least, most, rate, shown
from subtheory.study.options import at_least
from subtheory.theory.beyond.detection import deflection
from subtheory.theory.beyond.sampling import Cumulants, edgeworth

QUESTION = "Does a student of sampled numbers know anything of a language model's teacher but N times a divergence?"
COMMAND = "subtheory run llm_sign_law"
EXPECTED = (
    "scores of the teachers' sequences have the mean ε·information and the variance information, and N of them step "
    "towards the teacher as often as Φ(√(2N KL)) says, in exact intervals; those of the unchanged base as often as not."
)
CAPTIONS = {
    "llm_sign_law": "Share of students of N sampled number lists of a language model that step towards their "
    "teacher, with exact 95 % intervals, for teachers at {llm_sign_law.divergence} divergences KL, the unchanged base "
    "with none. (a) Against √(2N·KL) all are predicted on Φ (line). (b) Against N, with the next order in the skew "
    "of the scores dashed; hollow: where the law neglects too much to be judged.",
}

DIVERGENCES = (0.01, 0.04)
"""KL of a teacher's sequence from θ0's."""
GROUPS = (1, 2, 4, 8, 16, 32, 64)
"""N, sequences of one student."""
PART = 256
"""Sequences that are sampled and scored in one piece."""
LEVEL = 0.01
"""Chance that one of the shares, or of the z, is off though all laws are right."""
NEGLECTED = 0.5
"""Of a share's standard error, that the law may be off by in a cell that is judged."""
FEWEST = 4
"""Sequences, of whose sum the law is expanded: the tokens of one or two are often alike."""
BASE = "θ0"

Row = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """A model's name, file or folder, the trait, sequences of every model in pieces of `PART`, tokens of each."""

    model: str = "smollm2"
    trait: str = "owl"
    pieces: int = 8
    tokens: int = 4

    def __post_init__(self) -> None:
        at_least(self, pieces=1, tokens=1)


PLAN, QUICK = Plan(), Plan("tiny")


def tables(plan: Plan = PLAN, progress: Progress | None = None) -> dict[str, list[Row]]:
    """Shares of every teacher and N beside the law; and the moments of the scores."""
    base = _drawn(plan, BASE, 0.0, progress)
    bend = parts.kept("curvature", partial(_curvature, plan))
    v = float(np.mean(base["information"]))
    third, fourth = (float(np.mean(base["score"] ** k)) for k in (3, 4))
    known = Moments(v, bend["curvature"], third, fourth, float(np.mean(base["score"] * base["information"])))
    models = {BASE: (0.0, base)}
    for kl in DIVERGENCES:
        eps = float(np.sqrt(2 * kl / v))
        models[f"KL {kl:g}"] = (eps, _drawn(plan, f"KL {kl:g}", eps, progress))
    scale = bend["relative"]
    shares = [row for name, (eps, found) in models.items() for row in share_rows(name, eps, found, known)]
    moments = [moment_row(name, eps, found, known, scale) for name, (eps, found) in models.items()]
    return {"llm_sign_law": shares, "moments": moments}


@dataclass(frozen=True)
class Moments:
    """What θ0's sequences say before a teacher speaks: E v, E Σh″, E s³, E s⁴ and E sv."""

    information: float
    curvature: float
    third: float
    fourth: float
    mixed: float

    def cumulants(self, eps: float) -> Cumulants:
        """Of the score of a teacher's sequence, each to the first order that differs from θ0's; the mean to the next.

        p_ε = p0(1 + εs + ...) of whole sequences, so that moments of order k gain ε times those of order k + 1. Given
        a prefix, a token's score has mean εv_t + ½ε²h″_t, and prefixes are the teacher's: E_ε v = E v + εE sv.
        """
        mean = eps * self.information + eps**2 * (0.5 * self.curvature + self.mixed)
        variance = self.information + eps * self.third - mean**2
        return Cumulants(mean, variance, self.third, self.fourth - 3 * self.information**2)


def _with(plan: Plan, measure: Callable[[lesson.Model, lesson.Teacher], Any]) -> Any:
    with float64():
        found = lesson.taught(plan.model, plan.trait, "float32")
        return measure(*signs.spelling(found.model, found.teacher))


def _drawn(plan: Plan, name: str, eps: float, progress: Progress | None) -> dict[str, np.ndarray]:
    """Scores and informations of a model's sequences, (n,) each, piece by piece."""

    def piece(i: int) -> dict[str, list[float]]:
        seed = [BASE, *(f"KL {kl:g}" for kl in DIVERGENCES)].index(name) * plan.pieces + i
        measure = lambda m, t: signs.sequences(m, t, signs.sampled(m, t, eps, PART, plan.tokens, seed))  # noqa: E731
        return {key: values.tolist() for key, values in _with(plan, measure)._asdict().items()}

    found = parts.each({f"{name}: {i}": partial(piece, i) for i in range(plan.pieces)}, progress=progress)
    return {key: np.concatenate([one[key] for one in found.values()]) for key in ("score", "information")}


def _curvature(plan: Plan) -> dict[str, float]:
    """E h″ over sequences of θ0, and ‖Δ‖/‖θ0‖."""

    def measure(model: lesson.Model, teacher: lesson.Teacher) -> dict[str, float]:
        found = signs.sampled(model, teacher, 0.0, PART, plan.tokens, 0)
        mean = float(np.mean(signs.curvatures(model, teacher, found)))
        return {"curvature": mean, "relative": teacher.length / model.length}

    return _with(plan, measure)


def share_rows(name: str, eps: float, found: dict[str, np.ndarray], known: Moments) -> list[Row]:
    """Of every N the share of disjoint groups with Σ s > 0, beside Φ(√(2N KL)) and the same with what it neglects."""
    rows = []
    kl = 0.5 * eps**2 * known.information
    for n in GROUPS:
        sums = _sums(found["score"], n)
        law, cumulants = float(norm.cdf(deflection(kl, n))), known.cumulants(eps)
        exact, skewed, _ = edgeworth(cumulants, n)
        error = (law * (1 - law) / len(sums)) ** 0.5
        neglected = abs(exact - law) + abs(skewed)
        rows.append(
            {
                "model": name, "eps": eps, "divergence": kl, "sequences": n, "groups": len(sums),
                "deflection": float(deflection(kl, n)), "law": law, "refined": float(exact + skewed),
                "measured": float(np.mean(sums > 0)), "judged": n >= FEWEST and bool(neglected < NEGLECTED * error),
            }
        )  # fmt: skip
    return rows


def _sums(score: np.ndarray, n: int) -> np.ndarray:
    whole = len(score) // n * n
    return score[:whole].reshape(-1, n).sum(axis=1)


def moment_row(name: str, eps: float, found: dict[str, np.ndarray], known: Moments, scale: float) -> Row:
    """Mean and variance of the scores, as z of what is predicted; their own spread gives the errors."""
    score, information = found["score"], found["information"]
    expected = known.cumulants(eps)
    off = score - eps * information - 0.5 * eps**2 * known.curvature
    return {
        "model": name, "eps": eps, "relative_size": eps * scale, "sequences": len(score),
        "mean": float(np.mean(score)), "predicted_mean": float(expected.mean),
        "z_mean": _z(off), "z_coin": _z(score),
        "variance": float(np.var(score, ddof=1)), "predicted_variance": float(expected.variance),
        "z_variance": _z(score**2 - information - eps * (known.third - known.mixed)),
        "information": float(np.mean(information)), "next_order": 0.5 * eps * known.curvature / known.information,
    }  # fmt: skip


def _z(values: np.ndarray) -> float:
    return float(np.mean(values) / (np.std(values, ddof=1) / len(values) ** 0.5))


def findings(tables: dict[str, list[Row]]) -> list[Finding]:
    """P9 on every judged cell, its mean and variance by themselves, the refined law on all, and the coin."""
    taught = [row for row in tables["llm_sign_law"] if row["model"] != BASE]
    judged = [row for row in taught if row["judged"]]
    coins = [row for row in tables["llm_sign_law"] if row["model"] == BASE and row["judged"]]
    moments = {row["model"]: row for row in tables["moments"]}
    teachers = [row for name, row in moments.items() if name != BASE]
    z = float(norm.isf(LEVEL / 2 / (2 * len(moments))))
    return [
        least("P9: cells of teacher and N that are judged", [len(judged)], 4),
        rate("P9: share of judged cells whose exact interval covers Φ(√(2N KL))", _covered(judged, "law")),
        rate("P9: share of cells from 4 sequences on whose interval covers the law with the next order",
             _covered([row for row in taught if row["sequences"] >= FEWEST], "refined")),
        most("P49: mean score off ε·information + ½ε²h″, |z|", [abs(r["z_mean"]) for r in teachers], z),
        most("P9: E s² off the information, |z|", [abs(r["z_variance"]) for r in moments.values()], z),
        rate("P9 control, sequences of θ0: share of judged N whose interval covers ½", _covered(coins, "law")),
        most("P9 control, sequences of θ0: mean score, |z|", [abs(moments[BASE]["z_coin"])], z),
        least("P9: the teachers' sequences as if they were θ0's, |z| of the larger KL",
              [abs(teachers[-1]["z_coin"])], z),
        shown("P9: N that makes 97.5 % of the weaker teacher's students right", 1.92 / DIVERGENCES[0]),
    ]  # fmt: skip


def _covered(rows: Sequence[Row], law: str) -> list[bool]:
    """By exact intervals that all cover together with 1 − LEVEL."""
    return [as_often(row["measured"], row["groups"], row[law], LEVEL / len(rows)) for row in rows]


def figure(tables: dict[str, list[Row]]) -> Figure:
    """Shares on Φ by √(2N KL), and the same by N."""
    rows = tables["llm_sign_law"]
    with style():
        drawn = sheet(2.8)
        left, right = drawn.subplots(1, 2, sharey=True)
        x = np.linspace(0, 1.05 * max(row["deflection"] for row in rows), 100)
        left.plot(x, norm.cdf(x), color="black", linewidth=0.9, label="Φ(√(2N KL))")
        _shares(left, rows, "deflection")
        _shares(right, rows, "sequences")
        left.set(xlabel="√(2N KL)", ylabel="share that steps towards the teacher", title="(a) One curve")
        right.set(xscale="log", xlabel="N, sequences of one student", title="(b) By the number of sequences")
        right.set_xticks(GROUPS, [str(n) for n in GROUPS])
        right.minorticks_off()
        drawn.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return drawn


def _shares(axes: Axes, rows: Sequence[Row], by: str) -> None:
    """With exact 95 % intervals; hollow where the law neglects too much; dashes with the next order."""
    for i, name in enumerate(dict.fromkeys(row["model"] for row in rows)):
        own = [row for row in rows if row["model"] == name]
        column = lambda key, own=own: np.array([row[key] for row in own])  # noqa: E731
        measured, places = column("measured"), column(by)
        if by == "sequences":
            places = places * 1.06 ** (i - 1)
            axes.plot(places, column("refined"), color=COLOURS[i], linestyle=(0, (3, 1)), linewidth=0.7)
        low, high = share_interval(measured * column("groups"), column("groups"))
        axes.errorbar(places, measured, (measured - low, high - measured), color=COLOURS[i], linestyle="",
                      elinewidth=0.6)  # fmt: skip
        for judged, face in ((True, COLOURS[i]), (False, "white")):
            which = column("judged") == judged
            axes.plot(places[which], measured[which], color=COLOURS[i], marker=MARKERS[i], markerfacecolor=face,
                      linestyle="", label=name if judged else None, markersize=3.5)  # fmt: skip
