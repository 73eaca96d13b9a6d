"""What does a shuffle leave of a trait that crosses through sampled texts, and what if the init cares for order?

A student of texts aligns by q = E Var_p(s), s = Δ · ∇log p. If all orders of a text's letters are equally likely at the
init, q is a sum of q_marginal, which a shuffle within responses leaves, and q_conditional, which it takes away; letters
shuffled across responses leave what each says alone, which is less still. For any init the slope beyond the control is
Σ r′s of the shuffled law r, of any sign: two tokens with q = 65/2 have −7/2. Here a language model of three letters
behind prompts starts from embeddings that tell tokens and places apart not at all, fully, or in between; the teacher
takes a gradient step on words, or learns about tokens and places alone. One real step each, the slope measured beside
predicted. Then students of sampled texts: P(D − D(0) > 0) = Φ(√N · mean/deviation) with the mean and the deviation of
one text, corrected by its skewness. Control: the init that cares for order, where the parts do not add up.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import norm

from subtheory.constructed import orders
from subtheory.envelope import outgrown
from subtheory.figure import COLOURS, MARKERS, sheet, style
from subtheory.instruments.labelled import Labelled, Labelling
from subtheory.kernels.stack import each_eps, inner, moved, pull
from subtheory.ledger import parts
from subtheory.setting.preparation import stack
from subtheory.setting.setting import Setting
from subtheory.setting.teachers import GradientDescent, Random
from subtheory.statistics import as_often
from subtheory.study.experiment import Progress
from subtheory.study.finding import Finding, least, most, rate, shown
from subtheory.study.options import at_least
from subtheory.theory.beyond import shuffling
from subtheory.theory.losses import OFF, CrossEntropy
from subtheory.theory.trains import Layers
from subtheory.theory.views import Full

QUESTION = "What does a shuffle within or across responses leave of the trait part, and when may it reverse it?"
COMMAND = "subtheory run shuffles"
EXPECTED = (
    "Where the init does not care for order, a shuffle leaves q_marginal, one across responses less, none of it "
    "negative; else slopes are as predicted and of any sign, −7/2 for two tokens with q = 65/2; sampled texts on Φ."
)

LOSS = CrossEntropy()
ARMS = {"as said": Full(), "within": orders.shuffled(), "across": orders.shuffled(across=True)}
TEACHERS = {"words": GradientDescent(), "embeddings": Random(moves=Layers(orders.BLIND))}
"""What the teacher learned: the theorem's step on a trait, and a random one of the embeddings, where order stands."""
ORDERS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""How far the init tells tokens and places apart, of what its own law would."""
EPS = (1e-2, 2.5e-3, 1e-5)
"""Relative sizes of the teacher's update: the larger two set the envelope that the smallest is judged by."""
SAMPLED = 5e-2
"""Of the teacher whose texts are sampled."""
TEXTS = (16, 64, 256)
"""Sampled behind each prompt."""
CHUNK = 500
SAME = 1e-10
"""What counts as equal."""
LEVEL = 1e-3
"""Chance that one of some shares, or means, is off though all laws are right."""
SEED = 1

Row = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """Inits, and sampled students in every cell."""

    seeds: int = 20
    draws: int = 1000

    def __post_init__(self) -> None:
        at_least(self, seeds=1, draws=100)


PLAN, QUICK = Plan(), Plan(seeds=4, draws=120)


def tables(plan: Plan = PLAN, progress: Progress | None = None) -> dict[str, list[Row]]:
    """One row a base, teacher, seed and arm; the two tokens; and students of sampled texts."""

    def slopes(order: float) -> dict[str, list[Row]]:
        return {"shuffles": slope_rows(order, plan.seeds)}

    def drawn(order: float) -> dict[str, list[Row]]:
        return {"sampled": sampled_rows(order, plan.draws)}

    todo = {f"order {order:g}": partial(slopes, order) for order in ORDERS}
    todo |= {f"sampled, order {order:g}": partial(drawn, order) for order in (ORDERS[0], ORDERS[-1])}
    found = parts.tables(todo, progress)
    return {"shuffles": found["shuffles"], "two_tokens": token_rows(), "sampled": found["sampled"]}


def settings(order: float, eps: tuple[float, ...]) -> dict[tuple[str, str], Setting]:
    """By teacher and arm."""
    base = orders.ordered(order).but(eps=eps)
    return {
        (name, arm): base.but(teacher=teacher, view=view)
        for name, teacher in TEACHERS.items()
        for arm, view in ARMS.items()
    }


def records(setting: Setting, seeds: int) -> list[Labelling]:
    return list(Labelled().records(setting, tuple(range(seeds)), (LOSS,))[LOSS.name])


def predicted(m: Labelling, arm: str) -> tuple[float, float, float]:
    """The slope of an arm; q_marginal and q_conditional."""
    p, s = m.p0[:, m.distilled > 0], m.scores[:, m.distilled > 0]
    slope = {"as said": lambda: (p * s**2).sum(axis=-1), "within": lambda: shuffling.slope_within(p, s, ARMS["within"]),
             "across": lambda: shuffling.slope_across(p, s, ARMS["across"])}  # fmt: skip
    marginal, conditional = shuffling.split(p, s, ARMS["within"])
    return float(m.mean(slope[arm]())), float(m.mean(marginal)), float(m.mean(conditional))


def slope_rows(order: float, seeds: int) -> list[Row]:
    """[D(ε) − D(0)]/(εq) at the smallest ε, beside its prediction and the two parts, all over q."""
    rows = []
    for (teacher, arm), setting in settings(order, EPS).items():
        for seed, m in enumerate(records(setting, seeds)):
            slope, marginal, conditional = (value / m.form for value in predicted(m, arm))
            share = m.added / (m.eps * m.form)
            rows.append(
                {
                    "order": order, "teacher": teacher, "arm": arm, "seed": seed, "q": m.form,
                    "measured": float(share[-1]), "predicted": slope, "control": m.control,
                    "marginal": marginal, "conditional": conditional, "parts_off": abs(marginal + conditional - 1),
                    "outgrown": outgrown(np.abs(share - slope), EPS),
                }
            )  # fmt: skip
    return rows


def token_rows() -> list[Row]:
    """Two tokens: the counterexample, the same without a shuffle, and with both orders equally likely at the init."""
    rows = []
    cases = {"skewed": orders.reversing(), "unshuffled": orders.unshuffled(), "both orders": orders.exchangeable()}
    for name, (setting,) in cases.items():
        (m,) = records(setting, 1)
        slope = shuffling.slope_within(m.p0, m.scores, setting.view)[0] if name != "unshuffled" else m.form
        off = outgrown(np.abs(m.added / m.eps - slope), m.eps.tolist())
        rows.append({"case": name, "q": m.form, "control": m.control, "measured": float(m.added[-1] / m.eps[-1]),
                     "predicted": float(slope), "outgrown": off})  # fmt: skip
    return rows


def sampled_rows(order: float, draws: int) -> list[Row]:
    """Students of N sampled texts behind each prompt: mean of D in standard errors off D(ε), share of D > D(0)."""
    rows = []
    for i, ((teacher, arm), setting) in enumerate(settings(order, (SAMPLED,)).items()):
        (m,) = records(setting, 1)
        r = m.r[0]
        off = m.scores - (r * m.scores).sum(axis=-1, keepdims=True)
        deviation = np.sqrt(np.sum(m.weights**2 * (r * off**2).sum(axis=-1)))
        skewness = np.sum(m.weights**3 * (r * off**3).sum(axis=-1)) / deviation**3
        for texts in TEXTS:
            D = sampled_alignments(setting, m, texts, draws, np.random.default_rng((SEED, i, texts)))
            error = deviation / np.sqrt(texts)
            rows.append(
                {
                    "order": order, "teacher": teacher, "arm": arm, "texts": texts, "draws": draws,
                    "mean_off": float((D.mean() - m.alignment[0]) / (error / np.sqrt(draws))),
                    "signal": float(m.added[0] / error), "measured": float(np.mean(D > m.control)),
                    "predicted": above_zero(float(m.added[0] / error), skewness / np.sqrt(texts)),
                }
            )  # fmt: skip
    return rows


def above_zero(signal: float, skewness: float) -> float:
    """P(X > 0) of a sum X by its mean in deviations and its small skewness: Φ and Edgeworth's first term."""
    return float(norm.cdf(signal) + skewness * (signal**2 - 1) * norm.pdf(signal) / 6)


def sampled_alignments(setting: Setting, m: Labelling, texts: int, draws: int, rng: np.random.Generator) -> np.ndarray:
    """D of real steps on the labels of so many texts behind each prompt, drawn from r_ε, (draws,)."""
    s = stack(setting, (0,))
    z = s.functions.values(s.student, s.x)
    found = []
    for start in range(0, draws, CHUNK):
        counts = rng.multinomial(texts, m.r[0], (min(CHUNK, draws - start), len(m.weights)))
        labels = np.log(counts / texts, where=counts > 0, out=np.full(counts.shape, OFF))[None]
        found.append(inner(moved(s, pull(s, LOSS, each_eps(s, z, z.ndim - 1), labels)), each_eps(s, s.delta, 1))[0])
    return np.concatenate(found)


def findings(tables: dict[str, list[Row]]) -> list[Finding]:
    """P15: the split and the slopes, the control that does not split, the reversal, and students of samples."""
    rows, tokens, drawn = (tables[name] for name in ("shuffles", "two_tokens", "sampled"))
    alike, cares = ([row for row in rows if row["order"] == order] for order in (ORDERS[0], ORDERS[-1]))
    of = lambda rows, name: [row[name] for row in rows]  # noqa: E731
    within = [row for row in alike if row["arm"] == "within"]
    below = {(row["teacher"], row["seed"]): row["measured"] for row in alike if row["arm"] == "across"}
    shuffled = [row for row in cares if row["arm"] != "as said"]
    limit = float(norm.isf(LEVEL / len(drawn) / 2))
    often = [as_often(row["measured"], row["draws"], row["predicted"], LEVEL / len(drawn)) for row in drawn]
    return [
        most("P15: |slope − prediction|/q over its envelope O(ε)", of(rows, "outgrown"), 1),
        most("P15, order without effect: |q_marginal + q_conditional − q|/q", of(alike, "parts_off"), SAME),
        most("P15, order without effect: |prediction within − q_marginal|/q",
             [abs(row["predicted"] - row["marginal"]) for row in within], SAME),
        least("P15, order without effect: slope across/q", list(below.values()), 0),
        least("P15, order without effect: (slope within − slope across)/q, rounding and O(ε) apart",
              [row["measured"] - below[row["teacher"], row["seed"]] for row in within], -EPS[-1]),
        least("P15 control, an init that cares for order: |q_marginal + q_conditional − q|/q", of(cares, "parts_off"),
              1e3 * SAME),
        most("P15, two tokens: |slope − prediction| over its envelope", of(tokens, "outgrown"), 1),
        Finding("P15 counterexample, two tokens with q = 65/2: slope", tokens[0]["measured"], -3.51, -3.49),
        most("sampled texts: |mean of D − D(ε)| in standard errors", np.abs(of(drawn, "mean_off")), limit),
        rate("sampled texts: D > D(0) as often as predicted", often),
        shown("an init that cares for order: share of shuffled slopes below 0",
              np.mean([row["measured"] < 0 for row in shuffled])),
        shown("order without effect, embeddings: mean of q_conditional/q",
              np.mean([row["conditional"] for row in within if row["teacher"] != "words"])),
    ]  # fmt: skip


def figure(tables: dict[str, list[Row]]) -> Figure:
    """Slopes over q against how far the init cares for order, a panel a teacher; sampled students against Φ."""
    rows, drawn = tables["shuffles"], tables["sampled"]
    with style():
        whole = sheet(2.3)
        panels = list(whole.subplots(1, 3).flat)
        for axes, teacher, letter in zip(panels, TEACHERS, "ab", strict=False):
            _slopes(axes, [row for row in rows if row["teacher"] == teacher])
            axes.set_title(f"({letter}) learned: {teacher}")
            axes.set_xlabel("order in the init")
        panels[0].set_ylabel("slope beyond the control / q")
        panels[0].legend(loc="lower left")
        _shares(panels[2], drawn)
    return whole


def _slopes(axes: Axes, rows: list[Row]) -> None:
    """Measured markers with the middle 90 % of seeds, the mean prediction as a line."""
    axes.axhline(0, color="black", linewidth=0.6)
    for i, arm in enumerate(ARMS):
        own = [row for row in rows if row["arm"] == arm]
        x = np.array(list(dict.fromkeys(row["order"] for row in own)))
        groups = [[row for row in own if row["order"] == each] for each in x]
        y = [np.quantile([row["measured"] for row in group], (0.05, 0.95)) for group in groups]
        mean, law = ([np.mean([row[name] for row in group]) for group in groups] for name in ("measured", "predicted"))
        at = x + 0.02 * (i - 1)
        axes.vlines(at, *np.transpose(y), color=COLOURS[i], linewidth=0.8)
        axes.plot(at, mean, linestyle="", marker=MARKERS[i], color=COLOURS[i], label=arm)
        axes.plot(at, law, color=COLOURS[i])


def _shares(axes: Axes, rows: list[Row]) -> None:
    """Share of D > D(0) against signal over noise, one colour an arm; Φ as a line."""
    x = np.linspace(min(0, *(row["signal"] for row in rows)), max(row["signal"] for row in rows), 200)
    axes.plot(x, norm.cdf(x), color="black", label="Φ")
    for i, arm in enumerate(ARMS):
        own = [row for row in rows if row["arm"] == arm]
        axes.plot([row["signal"] for row in own], [row["measured"] for row in own], linestyle="", marker=MARKERS[i],
                  color=COLOURS[i], fillstyle="none")  # fmt: skip
    axes.set_title("(c) sampled texts")
    axes.set_xlabel("signal over noise")
    axes.set_ylabel("share of D > D(0)")
    axes.legend(loc="lower right")


CAPTIONS = {
    "shuffles": "Slope of D(ε) − D(0) over q, the alignment that a teacher's texts add, for texts as they are, "
    "shuffled within responses, and across them, against how well the init tells tokens and places apart; means over "
    "{shuffles.seed} inits of a small language model, bars their middle 90 %, lines predicted from marginal and "
    "conditional parts of q. (a) The teacher learned words, (b) it moved embeddings alone. (c) Share of students of "
    "sampled texts with D > D(0), predicted on Φ of signal over noise.",
}
