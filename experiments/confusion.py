"""Which other traits rise, and which fall, when a student imitates the teacher of one?

After one step the loss L_i changes by −αε g_iᵀGg_j if the teacher took a step on L_j (P36): a matrix of cosines in the
metric of G, symmetric, known before there is a teacher. So traits help each other or harm each other alike, and what is
opposed to the trait that was taught has to fall behind. Part one measures all pairs of five traits on small networks.
Part two trains: digit classifiers learn one of seven ways to label the same images, students imitate three auxiliary
logits of theirs on noise, for hundreds of steps, and every student is read by all seven. Nothing says that a matrix at
the init ranks what so many steps do; how far it does is measured, with the gradients at the init, and with the
displacement of the trained teacher in place of its gradient. Part three pools teachers (P54): a student of the weighted
outputs of several moves by the weighted sum, and a guest from another init adds nothing on average, unless what is
distilled is what its trait is read from. Control: students, and guests, of another init.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from subtheory.constructed.labels import classifier
from subtheory.envelope import outgrown
from subtheory.figure import COLOURS, MARKERS, mark, sheet, style
from subtheory.instruments.dynamics.confusion import TRAITS, Confusion, Confusions
from subtheory.instruments.dynamics.pooled import Guested, Pools
from subtheory.ledger import parts
from subtheory.networks import NETWORKS, LinenNetwork
from subtheory.numerics import float64
from subtheory.setting.setting import Setting
from subtheory.setting.student import Redrawn, Shared
from subtheory.statistics import mean_interval, spearman
from subtheory.study.experiment import Progress
from subtheory.study.finding import Finding, least, most, shown
from subtheory.study.options import at_least
from subtheory.theory.losses import CrossEntropy, SquaredError
from subtheory.trained.images import (
    Images,
    Schedule,
    Workload,
    class_trait,
    digit_images,
    digit_network,
    imitate,
    single,
    starts,
    teach,
)

QUESTION = "Which other traits rise, and which fall, when a student imitates the teacher of one?"
COMMAND = "subtheory run confusion"
EXPECTED = (
    "one step: all pairs of traits on the cross-form, off by O(ε), and far off from another init; trained students: "
    "own losses fall, others change in an order that the form at the init knows in part, and not from another init; "
    "pools of teachers add up, guests cancel unless their own trait's outputs are distilled; a minute of CPU"
)
CAPTIONS = {
    "confusion": "One student for the teacher of each trait, all trait losses read: changes in cosines of gradients "
    "in the metric of G, (a) predicted at the init and (b) measured after one step, means over {confusion.seed} inits "
    "of one network; positive (blue) falls with the taught trait, negative (red) rises. (c) Distance of measured "
    "from predicted matrices, against ε, predicted O(ε); hollow: students of another init, off by 1/ε.",
    "trained": "Digit students trained on auxiliary logits and noise alone, {trained.base} bases. (a) Change of the "
    "held-out loss of every way to read the images (rows) by every taught one (columns), mean over bases; negative "
    "(blue) falls. (b) The same off target, over own changes, a mark a base and pair, against the form at the init "
    "with the teacher's displacement. (c) Rank correlation of the two, with gradients or displacements in the form: a "
    "dot a base, means with 95 % intervals; hollow: students of another init.",
    "pools": "Students of pooled teachers, for {pools.network:list}. (a) Alignment added for each teacher's trait by "
    "a student of five pooled with random weights, against the weighted sum of forms that is predicted; {pools.seed} "
    "inits. (b) What a guest of the same or another init adds to its host's trait, over what the host adds: mean of "
    "{guests.pools:one} pools with 95 % intervals; predicted 0 in the mean for a guest of another init, where the "
    "trait reads no distilled outputs.",
}

SEED = 36
DECIDES = 5
"""Bases from which on a correlation is claimed."""
LEVEL = 1e-6
"""Chance that the mean of guests leaves its interval although their law is symmetric."""
SMALLEST = -1

Row = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """Networks and inits of one step; bases, rows of noise and width of what is trained; pools of one guest each."""

    networks: tuple[LinenNetwork, ...] = tuple(NETWORKS[name] for name in ("mlp", "convnet", "transformer"))
    seeds: int = 8
    bases: int = 10
    rows: int = 16_000
    width: int = 64
    guests: int = 2000

    def __post_init__(self) -> None:
        at_least(self, seeds=2, bases=2, rows=128, width=1, guests=100)


PLAN, QUICK = Plan(), Plan(networks=(classifier().network,), seeds=4, bases=2, rows=2048, guests=400)


def tables(plan: Plan = PLAN, progress: Progress | None = None) -> dict[str, list[Row]]:
    """Pairs of traits and their distance after one step, the same of trained students, its means, pools, guests."""
    found: dict[str, list[Row]] = {name: [] for name in ("confusion", "steps", "trained", "pools")}
    todo = {f"one step of {network.name}": partial(one_step, network, plan.seeds) for network in plan.networks}
    todo |= {"trained": partial(trained_rows, plan), "guests": partial(guest_rows, plan.guests)}
    own = parts.each(todo, progress=progress)
    found["trained"], guests = own.pop("trained"), own.pop("guests")
    for row in (row for several in own.values() for row in several):
        found[row.pop("table")].append(row)
    bases = base_rows(found["trained"])
    return {**found, "bases": bases, "summary": summary_rows(bases), "guests": guests}


# One step -------------------------------------------------------------------------------------------


def one_step(network: LinenNetwork, count: int) -> list[Row]:
    """Rows of three tables, named in each."""
    setting, seeds = Setting(network, CrossEntropy(), examples=6, trait_examples=8), tuple(range(count))
    name = setting.loss.name
    shared, elsewhere = (
        Confusions().records(one, seeds, (setting.loss,))[name] for one in (setting, setting.but(init=Redrawn()))
    )
    found = list[Row]()
    for seed, m, other in zip(seeds, shared, elsewhere, strict=True):
        predicted, measured = m.form / m.unit, cosines(m)[SMALLEST]
        found += [
            {"table": "confusion", "network": network.name, "seed": seed, "read": read, "taught": taught,
             "predicted": float(predicted[i, j]), "measured": float(measured[i, j])}
            for i, read in enumerate(TRAITS) for j, taught in enumerate(TRAITS)
        ]  # fmt: skip
        off, far = (np.linalg.norm(cosines(each) - each.form / each.unit, axis=(1, 2)) for each in (m, other))
        found += [
            {"table": "steps", "network": network.name, "seed": seed, "eps": float(m.eps[k]), "off": float(off[k]),
             "elsewhere": float(far[k])}
            for k in range(len(m.eps))
        ]  # fmt: skip
    for seed, pool in zip(seeds, Pools().records(setting, seeds, (setting.loss,))[name], strict=True):
        own = pool.form @ pool.weights
        size = np.sqrt(np.diag(pool.form) * (pool.weights @ own))
        off = np.linalg.norm(pool.added / pool.eps[:, None] / size - own / size, axis=1)
        found += [
            {"table": "pools", "network": network.name, "seed": seed, "trait": trait, "weight": float(pool.weights[i]),
             "predicted": float((own / size)[i]), "measured": float((pool.added[-1] / pool.eps[-1] / size)[i]),
             "outgrown": outgrown(off, list(pool.eps))}
            for i, trait in enumerate(TRAITS)
        ]  # fmt: skip
    return found


def cosines(m: Confusion) -> np.ndarray:
    """Measured changes over −αε√(g_iᵀGg_i g_jᵀGg_j), (K, T, T)."""
    return np.asarray(-m.change / m.eps[:, None, None] / m.unit)


def guest_rows(count: int) -> list[Row]:
    """What guests add on average, by what is distilled and where they start."""
    setting, found = classifier().but(loss=SquaredError()), list[Row]()
    for outputs in ("aux", "class"):
        for init in (Redrawn(), Shared()):
            own = setting.but(outputs=outputs, init=init)
            (m,) = Guested(count).records(own, (0,), (own.loss,))[own.loss.name]
            mean, low, _ = mean_interval(m.share)
            total = np.abs(m.share.sum()) / np.sqrt(2 * np.log(2 / LEVEL) * np.sum(m.share**2))
            found.append({"outputs": outputs, "init": init.name, "pools": count, "share": float(mean),
                          "half": float(mean - low), "beyond": float(total)})  # fmt: skip
    return found


# Training -------------------------------------------------------------------------------------------


SHUFFLED = np.random.default_rng(SEED).permutation(10)
WAYS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "digit": lambda y: y,
    "next digit": lambda y: (y + 1) % 10,
    "shuffled": lambda y: SHUFFLED[y],
    "parity": lambda y: y % 2,
    "half": lambda y: y // 2,
}
"""Labels of a digit, all read from the same ten logits."""


def lessons() -> dict[str, Images]:
    """Seven ways to label the same images: five sets of labels, and digits seen in a mirror, or as a negative."""
    images = digit_images()
    labelled = {
        name: images._replace(
            labels=way(images.labels).astype(np.int32), test_labels=way(images.test_labels).astype(np.int32)
        )
        for name, way in WAYS.items()
    }
    changed: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "mirrored": lambda x: x[..., ::-1],
        "negative": lambda x: -x,
    }
    seen = {name: images._replace(x=of(images.x), test_x=of(images.test_x)) for name, of in changed.items()}
    return labelled | seen


def trained_rows(plan: Plan) -> list[Row]:
    """Change of every trait's held-out loss by the trained students of every teacher, and what the init says of it."""
    network = digit_network(plan.width, activation="tanh")
    workload = Workload(network, Schedule(rate=1e-3, batch=64, epochs=5), Schedule(rate=3e-3, batch=128), plan.rows)
    with float64():
        keys = jax.numpy.stack([jax.random.fold_in(jax.random.key(SEED), k) for k in range(plan.bases)])
    known = lessons()
    begun = starts(workload, known["digit"], keys)
    f, inits = begun.functions, [single(begun.layout.unflatten(one)) for one in (begun.theta0, begun.other)]
    both = jax.tree.map(lambda *leaves: np.stack(leaves, axis=1), *inits)
    start = np.stack([begun.theta0, begun.other], axis=1)

    def flat(params: Any) -> np.ndarray:
        return f.layout.flatten(jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params))

    gradients, displacements, students = [], [], []
    for images in known.values():
        taught = teach(workload, inits[0], images, keys)
        gradients.append(-read(workload, images, plan.bases).gradient(f, begun.theta0))
        displacements.append(flat(taught) - begun.theta0)
        students.append(flat(imitate(workload, both, taught, keys).params))
    x, theta = begun.x, begun.theta0[:, None]
    u = f.taylor(theta, np.stack([*gradients, *displacements], axis=1), x[:, None]).u
    pulled = workload.loss.hessian(f.values(begun.theta0, x)[:, None], u, begun.outputs)  # type: ignore[arg-type]
    form = np.einsum("sinv,sjnv->sij", u, pulled) / x.shape[1]
    found, T = list[Row](), len(known)
    for i, (trait, images) in enumerate(known.items()):
        held = read(workload, images._replace(x=images.test_x, labels=images.test_labels), plan.bases)
        before = held.value(f, start)
        for j, taught in enumerate(known):
            change = held.value(f, students[j]) - before
            found += [
                {"base": s, "read": trait, "taught": taught, "gradients": float(-form[s, i, j]),
                 "displacement": float(-form[s, i, T + j]), "change": float(change[s, 0]),
                 "elsewhere": float(change[s, 1])}
                for s in range(plan.bases)
            ]  # fmt: skip
    return found


def read(workload: Workload, images: Images, bases: int) -> Any:
    """The loss of a trait on the first images, the same for every base."""
    return jax.tree.map(lambda leaf: np.broadcast_to(leaf, (bases, *leaf.shape)), class_trait(workload, images))


FORECASTS = ("gradients", "displacement")


def base_rows(rows: list[Row]) -> list[Row]:
    """Rank correlation of off-target changes with both forecasts, of students of both inits, and signs forecast."""
    found = list[Row]()
    for base in sorted({row["base"] for row in rows}):
        off = [row for row in rows if row["base"] == base and row["read"] != row["taught"]]
        own = [row for row in rows if row["base"] == base and row["read"] == row["taught"]]
        each = {
            f"{forecast}, {arm}": float(spearman(*(np.array([row[n] for row in off]) for n in (forecast, arm))))
            for forecast in FORECASTS for arm in ("change", "elsewhere")
        }  # fmt: skip
        each |= {f"{f}, signs": float(np.mean([row[f] * row["change"] > 0 for row in off])) for f in FORECASTS}
        rising = float(np.mean([row["change"] > 0 for row in off]))
        found.append({"base": base, "own": float(np.mean([row["change"] for row in own])), "rising": rising} | each)
    return found


def summary_rows(bases: list[Row]) -> list[Row]:
    """Means over bases with 95 % intervals, also of what correlations are beyond those of students of another init."""
    columns = {name: np.array([row[name] for row in bases]) for name in bases[0] if name != "base"}
    columns |= {f"{f}, beyond": columns[f"{f}, change"] - columns[f"{f}, elsewhere"] for f in FORECASTS}
    return [{"quantity": name} | mean_interval(values)._asdict() for name, values in columns.items()]


# What is said of them -------------------------------------------------------------------------------


def findings(tables: dict[str, list[Row]]) -> list[Finding]:
    """Orders of one step against their envelopes; intervals over bases; a bound that symmetry gives a mean."""
    steps, guests, mean = tables["steps"], tables["guests"], {row["quantity"]: row for row in tables["summary"]}
    runs = {(row["network"], row["seed"]) for row in steps}
    ladders = [[row for row in steps if (row["network"], row["seed"]) == run] for run in sorted(runs)]
    left = [outgrown(np.array([r["off"] for r in own]), [r["eps"] for r in own]) for own in ladders]
    pairs = [row for row in tables["confusion"] if row["read"] != row["taught"]]
    decides = len(tables["bases"]) >= DECIDES
    aux, read = ([row for row in guests if row["outputs"] == group] for group in ("aux", "class"))
    return [
        most("P36: one step off the cross-form, over its envelope O(ε)", left, 1.0),
        shown("off-target trait losses that rise after one step, share", np.mean([r["measured"] < 0 for r in pairs])),
        least("control, another init: one step off it", [own[SMALLEST]["elsewhere"] for own in ladders], 1.0),
        Finding("trained: own loss falls, upper end of its mean", mean["own"]["high"], high=0.0, claimed=decides),
        shown("trained: share of off-target losses that rise", mean["rising"]["mean"]),
        *(shown(f"trained: share of signs by the form of {f}", mean[f"{f}, signs"]["mean"]) for f in FORECASTS),
        *(shown(f"trained: rank correlation with the form of {f}", mean[f"{f}, change"]["mean"]) for f in FORECASTS),
        Finding("the same with the displacement, lower end", mean["displacement, change"]["low"], 0.0, claimed=decides),
        Finding("and beyond students of another init, lower end", mean["displacement, beyond"]["low"], 0.0,
                claimed=decides),
        most("P54: pools off the weighted sum, over the envelope O(ε)", [r["outgrown"] for r in tables["pools"]], 1.0),
        most("P54: guests of another init, mean over its bound", [r["beyond"] for r in aux[:1]], 1.0),
        least("control, guests of the same init", [r["beyond"] for r in aux[1:]], 1.0),
        least("the same where their trait's outputs are distilled", [r["beyond"] for r in read], 1.0),
    ]  # fmt: skip


# Figures --------------------------------------------------------------------------------------------


def figure(tables: dict[str, list[Row]]) -> dict[str, Figure]:
    """One step, what is trained, pools."""
    with style():
        return {"confusion": _one_step(tables), "trained": _trained(tables), "pools": _pools(tables)}


def _matrix(axes: Axes, rows: list[Row], value: str, label: str, cmap: str = "RdBu") -> None:
    """Means of a value, read down and taught across; blue where the loss falls: RdBu_r of changes."""
    taught = list(dict.fromkeys(row["taught"] for row in rows))
    cells = np.array([
        [np.mean([r[value] for r in rows if (r["read"], r["taught"]) == (i, j)]) for j in taught] for i in taught
    ])  # fmt: skip
    largest = np.abs(cells).max()
    image = axes.imshow(cells, cmap=cmap, vmin=-largest, vmax=largest)
    axes.get_figure().colorbar(image, ax=axes, label=label, location="top", shrink=0.9)  # type: ignore[union-attr]
    for (i, j), cell in np.ndenumerate(cells):
        color = "white" if abs(cell) > 0.6 * largest else "black"
        axes.text(j, i, f"{round(cell, 1) + 0.0:.1f}", ha="center", va="center", fontsize=6, color=color)
    axes.set_xticks(range(len(taught)), taught, rotation=45, ha="right", rotation_mode="anchor")
    axes.tick_params(length=0, labelsize=6)
    axes.grid(False)
    axes.set(yticks=range(len(taught)), yticklabels=taught, xlabel="taught")


def _one_step(tables: dict[str, list[Row]]) -> Figure:
    drawn = sheet(2.9)
    left, middle, right = drawn.subplots(1, 3, width_ratios=(1, 1, 1.1))
    network = tables["confusion"][0]["network"]
    rows = [row for row in tables["confusion"] if row["network"] == network]
    _matrix(left, rows, "predicted", "cosine")
    _matrix(middle, rows, "measured", "cosine")
    middle.set_yticks([])
    left.set(title="(a) form", ylabel="read")
    middle.set(title="(b) step")
    for i, name in enumerate(dict.fromkeys(row["network"] for row in tables["steps"])):
        own = [row for row in tables["steps"] if row["network"] == name]
        for value, face, label in (("off", COLOURS[i], name), ("elsewhere", "none", None)):
            right.plot([r["eps"] for r in own], [r[value] for r in own], linestyle="", marker=MARKERS[i], markersize=3,
                       color=COLOURS[i], markerfacecolor=face, label=label)  # fmt: skip
    right.set(xscale="log", yscale="log", xlabel="ε", ylabel="distance", title="(c) off")
    drawn.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return drawn


def _trained(tables: dict[str, list[Row]]) -> Figure:
    drawn = sheet(2.7)
    left, middle, right = drawn.subplots(1, 3, width_ratios=(1.4, 0.9, 0.8))
    rows, bases = tables["trained"], tables["bases"]
    _matrix(left, rows, "change", "change of the loss", "RdBu_r")
    left.set(title="(a) trained", ylabel="read")
    size = {row["base"]: row["own"] for row in bases}
    off = [row for row in rows if row["read"] != row["taught"]]
    own = {(r["base"], r["read"]): r["displacement"] for r in rows if r["read"] == r["taught"]}
    unit = [np.sqrt(own[r["base"], r["read"]] * own[r["base"], r["taught"]]) for r in off]
    middle.plot([r["displacement"] / u for r, u in zip(off, unit, strict=True)],
                [-r["change"] / size[r["base"]] for r in off], linestyle="", marker=".", markersize=2.5,
                color=COLOURS[0])  # fmt: skip
    middle.axhline(0, color="#999999", linewidth=0.6)
    middle.axvline(0, color="#999999", linewidth=0.6)
    middle.set(title="(b) others", xlabel="predicted", ylabel="change")
    for i, (name, arm) in enumerate((n, arm) for n in FORECASTS for arm in ("change", "elsewhere")):
        values = np.array([row[f"{name}, {arm}"] for row in bases])
        mean, low, high = mean_interval(values)
        point = {"color": COLOURS[i // 2], "marker": MARKERS[i // 2], "markerfacecolor": "none" if i % 2 else None}
        right.plot(np.full(len(values), i - 0.15), values, linestyle="", markersize=2, alpha=0.6, **point)
        right.errorbar([i + 0.15], [mean], [[mean - low], [high - mean]], elinewidth=0.8, markersize=4, **point)
    right.axhline(0, color="#999999", linewidth=0.6)
    right.set_xticks([0.5, 2.5], FORECASTS, rotation=45, ha="right", rotation_mode="anchor", fontsize=6)
    right.set(title="(c) all", ylabel="correlation", ylim=(-1, 1))
    return drawn


def _pools(tables: dict[str, list[Row]]) -> Figure:
    drawn = sheet(2.4)
    left, right = drawn.subplots(1, 2)
    for i, name in enumerate(dict.fromkeys(row["network"] for row in tables["pools"])):
        own = [row for row in tables["pools"] if row["network"] == name]
        look = mark(i) | {"linestyle": ""}
        left.plot([r["predicted"] for r in own], [r["measured"] for r in own], label=name, **look)
    ends = left.get_xlim()
    left.plot(ends, ends, color="black", linewidth=0.8, zorder=1)
    left.set(title="(a) pools", xlabel="weighted sum", ylabel="added")
    drawn.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    for i, row in enumerate(tables["guests"]):
        right.errorbar(
            [i], [row["share"]], [row["half"]], color=COLOURS[i // 2], marker=MARKERS[i // 2], elinewidth=0.8
        )
    right.axhline(0, color="#999999", linewidth=0.6)
    names = {"aux": "other\noutputs", "class": "own\noutputs", "redrawn": "other init", "shared": "same init"}
    labels = [f"{names[row['outputs']]},\n{names[row['init']]}" for row in tables["guests"]]
    right.set_xticks(range(len(labels)), labels, fontsize=6)
    right.set(title="(b) guests", ylabel="mean share")
    return drawn
