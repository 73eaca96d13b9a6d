"""How alike must two inits be for *trained* students to inherit, and does one step of theory say so?

A teacher learns digits by its class logits; students imitate its three auxiliary logits on noise, which no label
touches (Cloud, Le et al., section 6.2, on 8×8 digits). Each student starts at some amount along a path of
`init.PATHS`, with the noise and the order of batches of its seed, so that only the init differs. Beside the accuracy
stands one step of theory for the trained teacher's own displacement Δ = θ_T − θ0: the cross-kernel E[(J_SΔ)ᵀM(J_TΔ)]
relative to the shared init, which depends on how hidden units are numbered, and the functional cosine, that of
J_SΔ_S and J_TΔ under M with Δ_S the displacement by which the student would learn the trait itself, which does not.
A path's threshold is where the accuracy above chance falls to half of the shared init's. A permutation of hidden units
moves the init as far as an independent draw and must change nothing, because Adam treats all entries alike: two
one-sided tests with `MARGIN` say whether it does.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from subtheory.figure import mark, sheet, style
from subtheory.init import PATHS, Fork, Path, Start, fits, others, units
from subtheory.init.measures import distance, functional_distance, matched_distance
from subtheory.ledger import parts
from subtheory.numerics import float64
from subtheory.statistics import equivalence, half_way, mean_interval
from subtheory.study.experiment import Progress
from subtheory.study.finding import Finding
from subtheory.study.options import at_least
from subtheory.trained.images import (
    Images,
    Workload,
    accuracy,
    along,
    digit_images,
    imitate,
    one_step,
    seeds_of,
    single,
    starts,
    teach,
    teach_all,
)

QUESTION = "How far from its teacher's init may a trained student start, along every path, and still inherit?"
COMMAND = "subtheory run init_training"
EXPECTED = (
    "accuracy falls to chance towards an independent init, at a distance that depends on the path; permuted hidden "
    "units change nothing within 0.05, a re-drawn init does"
)
CAPTIONS = {
    "init_training": "Digit students trained on auxiliary logits and noise alone, by the distance of their init from "
    "their teacher's. Left: accuracy on held-out digits, means over {init_training.seeds:one} seeds with 95 % Student "
    "intervals; dotted is chance. Right, predicted before training: functional cosine, 1 at the shared init.",
}

CHANCE = 0.1  # of ten classes
MARGIN = 0.05
"""Of the permutation test, set before it was run: half of chance, and less than the spread of one condition's seeds."""
SEED = 3
LINE, NOISE, STRETCH = (0.15, 0.3, 0.5, 0.75, 1.0), (0.1, 0.2, 0.4, 0.8, 1.5), (0.2, 0.4, 0.8)
"""Amounts beyond 0 of a path that ends at 1, of noise relative to θ0, and of log factors."""
ROOTED = ("correlated", "partial-reinit")
"""Their distance grows like the root of the amount, which is squared to even it out."""
MATCHED = (0.0, 0.5, 1.0)  # of paths that do not begin at the shared init
BEHAVIOUR = 768
"""Rows of the noise on which behaviour is matched: with the 96 of the other paths it is matched on those alone."""
FRESH = 256  # rows that no student saw, for the distance of two inits as functions
KINDS: dict[str, tuple[str, ...]] = {
    "noise": ("noise", "tensor-noise", "null-noise", "seen-noise"),
    "to an independent init": ("linear", "spherical", "correlated", "partial-reinit"),
    "shared in part": ("share-first-1", "share-last-2", "share-heads", "share-body"),
    "symmetry or training": (
        "permutation", "relu-rescaling", "fork", "behaviour-matched", "behaviour-matched-on-trait"
    ),
}  # fmt: skip
FORK = Fork(steps=2000)
"""Fifty times as long as by default: forks of forty steps stay within a hundredth of each other."""

AWAY = ("noise", *KINDS["to an independent init"])
"""Paths that lose everything by their end."""
DECIDES, TELLS = 5, 20
"""Seeds from which on an effect is claimed, and chance: a spread of 0.055 then passes `MARGIN` in 39 of 40 runs."""

SHARED, SHARED_FORK = "shared", "shared-fork"
"""Names of the students at their teacher's init; a fork's teacher has an init of its own."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """Who is trained, and along which paths; seeds of each, and pairs of the permutation test.

    `precise` pairs are trained in float64 too, where rounding cannot part the two; `others` are other architectures.
    """

    workload: Workload = Workload()
    paths: tuple[str, ...] = tuple(PATHS)
    seeds: int = 10
    pairs: int = 40
    precise: int = 4
    others: bool = True

    def __post_init__(self) -> None:
        at_least(self, seeds=2, pairs=2, precise=0)


PLAN = Plan()
QUICK = Plan(Workload(rows=8192), ("noise", "linear", "permutation"), seeds=5, pairs=4, precise=0, others=False)


def tables(plan: Plan = PLAN, progress: Progress | None = None) -> dict[str, list[Row]]:
    """Accuracy and prediction at every point, thresholds, the permutation test, other architectures, every student."""
    workload, images, fork = plan.workload, digit_images(), "fork" in plan.paths
    keys = jax.random.split(jax.random.key(SEED), plan.seeds)
    pairs = jax.random.split(jax.random.key(SEED + 1), plan.pairs)
    found = starts(workload, images, keys)
    chosen = {name: PATHS[name] for name in plan.paths if fits(PATHS[name], found) and name != "fork"}
    todo = {"paths": partial(group_rows, workload, images, keys, found, chosen, SHARED)}
    if fork:
        todo["fork"] = partial(group_rows, workload, images, keys, found, {"fork": FORK}, SHARED_FORK)
    if plan.others:
        todo["other architectures"] = partial(other_rows, workload, images, keys, found)
    todo["permutation test"] = partial(permutation_rows, workload, images, pairs, plan.precise)
    each = parts.each(todo, progress=progress)
    tested = each.pop("permutation test")
    rows = [row for several in each.values() for row in several]
    points = point_rows(rows)
    return {"init_training": points, "thresholds": threshold_rows(rows, points), "permutation": tested, "seeds": rows}


def amounts(path: Path) -> tuple[float, ...]:
    """A path's grid by what the amount means."""
    if not path.reaches_start:
        return MATCHED
    if path.largest == 1:
        return tuple(amount**2 for amount in LINE) if path.name in ROOTED else LINE
    return NOISE if path.amounts[1] < 0.01 else STRETCH


def group_rows(
    workload: Workload, images: Images, keys: Any, found: Start, paths: dict[str, Path], shared: str
) -> list[Row]:
    """One row a student of paths that share their teacher's init, which itself is the first student, named `shared`."""
    grid = [(shared, 0.0)] + [(name, amount) for name, path in paths.items() for amount in amounts(path)]
    theta0 = _origins(next(iter(paths.values())), found, keys)
    first = jax.tree.map(lambda leaf: leaf[:, None], theta0)
    far = any(not path.reaches_start for path in paths.values())
    behaved = starts(workload, images, keys, BEHAVIOUR) if far else found
    grown = [along(path, found if path.reaches_start else behaved, amounts(path), keys) for path in paths.values()]
    inits = _joined([first, *grown])
    taught = teach(workload, theta0, images, keys)
    learned = teach_all(workload, inits, images, keys)
    results = {
        "accuracy": accuracy(workload, imitate(workload, inits, taught, keys).params, images),
        "before": accuracy(workload, inits, images),
        **one_step(workload, theta0, taught, inits, learned, keys)._asdict(),
    }
    unseen = [np.asarray(_unseen(workload, key)) for key in keys]
    hidden = units(workload.network, found.layout.unflatten(found.theta0[0]))
    groups = [[*group.incoming, *group.outgoing] for group in hidden]
    rows = []
    for k, i in np.ndindex(results["accuracy"].shape):
        start = jax.tree.map(lambda leaf, k=k: leaf[k], theta0)
        student = jax.tree.map(lambda leaf, at=(k, i): leaf[at], inits)
        rows.append(
            {
                "path": grid[i][0], "amount": grid[i][1], "seed": k,
                **{name: float(values[k, i]) for name, values in results.items()},
                "distance": distance(start, student), "matched_distance": matched_distance(start, student, groups),
                "functional_distance": functional_distance(workload.network, start, student, unseen[k]),
            }
        )  # fmt: skip
    return rows


def _unseen(workload: Workload, key: Any) -> Any:
    """Noise behind the rows that the students are trained on."""
    with float64():
        return workload.noise(key, workload.rows + np.arange(FRESH))


def other_rows(workload: Workload, images: Images, keys: Any, found: Start) -> list[Row]:
    """Students of another width, depth or activation, which share no parameters with the teacher."""
    theta0 = single(found.layout.unflatten(found.theta0))
    taught = teach(workload, theta0, images, keys)
    rows: list[Row] = []
    for what, path in others(workload.network).items():
        if what == "family":  # a vision transformer costs more than all the rest
            continue
        own = replace(workload, network=path.network)
        inits = along(path, found, (1.0,), keys)
        trained = imitate(own, inits, taught, keys, teacher_network=workload.network)
        after, before = accuracy(own, trained.params, images), accuracy(own, inits, images)
        learned = teach_all(own, inits, images, keys)
        theory = one_step(own, theta0, taught, inits, learned, keys, teacher_network=workload.network)
        rows += [
            {
                "path": f"another-{what}", "amount": 1.0, "seed": k, "accuracy": float(after[k, 0]),
                "before": float(before[k, 0]), "kernel": float("nan"),
                "functional_cosine": float(theory.functional_cosine[k, 0]),
                "distance": float("nan"), "matched_distance": float("nan"), "functional_distance": functional_distance(
                    workload.network, found.layout.unflatten(found.theta0[k]),
                    jax.tree.map(lambda leaf, k=k: leaf[k, 0], inits), np.asarray(_unseen(workload, keys[k])), None,
                    path.network,
                ),
            }
            for k in range(len(keys))
        ]  # fmt: skip
    return rows


def point_rows(seeds: list[Row]) -> list[Row]:
    """Mean accuracy with its 95 % interval over seeds at every point, and one step relative to the shared init."""
    rows = []
    for name, amount in dict.fromkeys((row["path"], row["amount"]) for row in seeds):
        here, shared = _of(seeds, name, amount), _shared(seeds, name)
        mean, low, high = (float(end) for end in mean_interval(here["accuracy"]))
        rows.append(
            {
                "path": name, "amount": amount, "seeds": len(here["accuracy"]), "accuracy": mean, "low": low,
                "high": high, "before": float(here["before"].mean()), "distance": float(here["distance"].mean()),
                "matched_distance": float(here["matched_distance"].mean()),
                "functional_distance": float(here["functional_distance"].mean()),
                "kernel": float(here["kernel"].mean() / shared["kernel"].mean()),
                "functional_cosine": float(here["functional_cosine"].mean()),
                "excess": float((mean - CHANCE) / (shared["accuracy"].mean() - CHANCE)),
            }
        )  # fmt: skip
    return rows


def threshold_rows(seeds: list[Row], points: list[Row]) -> list[Row]:
    """Where the excess over chance halves, in the amount and as a distance; and where each prediction does."""
    rows = []
    for name in dict.fromkeys(row["path"] for row in seeds if not row["path"].startswith(("another", SHARED))):
        grid = [row["amount"] for row in points if row["path"] == name]
        curves, shared = [_of(seeds, name, amount) for amount in grid], _shared(seeds, name)
        far = [row["distance"] for row in points if row["path"] == name]
        if grid[0] > 0:
            grid, curves, far = [0.0, *grid], [shared, *curves], [0.0, *far]
        half = half_way(grid, _columns(curves, "accuracy") - CHANCE, shared["accuracy"] - CHANCE)
        kernel, functional_cosine = (
            half_way(grid, _columns(curves, key), shared[key]) for key in ("kernel", "functional_cosine")
        )
        rows.append(
            {
                "path": name, "reached": bool(np.isfinite(half.at)), "amount": half.at, "low": half.low,
                "high": half.high, "resamples_reaching": half.reached,
                **{
                    f"distance{end}": _distance(at, grid, far)
                    for end, at in (("", half.at), ("_low", half.low), ("_high", half.high))
                },
                "kernel_amount": kernel.at, "functional_cosine_amount": functional_cosine.at,
            }
        )  # fmt: skip
    return rows


def _distance(amount: float, grid: list[float], far: list[float]) -> float:
    return float(np.interp(amount, grid, far)) if np.isfinite(amount) else amount


def permutation_rows(workload: Workload, images: Images, keys: Any, precise: int) -> list[Row]:
    """Students of permuted and of re-drawn inits against unpermuted ones: means, TOST, and seed by seed."""
    found = starts(workload, images, keys)
    arms = {"unpermuted": ("permutation", 0.0), "permuted": ("permutation", 1.0), "re-drawn": ("linear", 1.0)}
    inits = _joined([along(PATHS[path], found, (amount,), keys) for path, amount in arms.values()])
    taught = teach(workload, single(found.layout.unflatten(found.theta0)), images, keys)
    after = dict(zip(arms, accuracy(workload, imitate(workload, inits, taught, keys).params, images).T, strict=True))
    rows = [
        _tested(f"{name}, float32", test == "paired", after["unpermuted"], after[name])
        for name in ("permuted", "re-drawn")
        for test in ("paired", "Welch")
    ]
    if precise > 1:
        wide = jax.tree.map(lambda leaf: leaf[:precise].astype(np.float64), (inits, taught))
        exact = accuracy(workload, imitate(workload, *wide, keys[:precise]).params, images).T
        rows.append(_tested("permuted, float64", True, exact[0], exact[1]))
    return rows


def _tested(name: str, paired: bool, a: np.ndarray, b: np.ndarray) -> Row:
    result = equivalence(a, b, MARGIN, paired)
    return {
        "student": name, "test": "paired" if paired else "Welch", "seeds": len(a), "unpermuted": float(a.mean()),
        "mean": float(b.mean()), "spread_unpermuted": float(a.std(ddof=1)), "spread": float(b.std(ddof=1)),
        **result._asdict(), "margin": MARGIN, "largest_of_a_seed": float(np.abs(a - b).max()),
        "same_accuracy": float(np.mean(a == b)),
    }  # fmt: skip


def _origins(path: Path, found: Start, keys: Any) -> Any:
    """θ0_T of every seed: a fork moves it."""
    return single(found.layout.unflatten(path.teacher(found, 0.0, seeds_of(keys))))


def _joined(trees: list[Any]) -> Any:
    return jax.tree.map(lambda *leaves: np.concatenate(leaves, axis=1), *trees)


def findings(tables: dict[str, list[Row]]) -> list[Finding]:
    """Ends of one-sided 99 % intervals over seeds, and of two one-sided tests of 5 %; each at its own level.

    Of all paths away the one that costs least counts, which needs no correction. Auxiliary logits do not train the
    class head: one that is re-drawn leaves its student at chance in the mean.
    """
    rows, tested = tables["seeds"], {(row["student"], row["test"]): row for row in tables["permutation"]}
    permuted, drawn = (tested[f"{name}, float32", "paired"] for name in ("permuted", "re-drawn"))
    pairs, points, change = drawn["seeds"], tables["init_training"], np.abs([permuted["low"], permuted["high"]]).max()
    far = abs(drawn["mean"] - CHANCE) + stats.t.isf(0.05, pairs - 1) * drawn["spread"] / pairs**0.5
    there, shared = {row["path"]: row["amount"] for row in points}, _of(rows, SHARED, 0.0)["accuracy"]
    lost = [_above(shared - _of(rows, name, there[name])["accuracy"]) for name in AWAY if name in there]
    over = {
        "P18: lost at the end of every path away, at least": np.min(lost),
        "P18: rank correlation of functional cosine and accuracy, at least": _above(_ranks(rows)),
    }
    if "null-noise" in there:  # no path of a quick run
        hidden, seen = (
            np.mean([_of(rows, name, amount)["accuracy"] for amount in NOISE], axis=0)
            for name in ("null-noise", "seen-noise")
        )
        over["P16: more left under noise in null(G) than in its complement, by at least"] = _above(hidden - seen)
    return [
        Finding("P19: change by permuted units, at most", float(change), 0.0, MARGIN),
        Finding("control: lost by a re-drawn init, at least", drawn["low"], MARGIN),
        Finding("control: a re-drawn init off chance, at most", float(far), 0.0, MARGIN, pairs >= TELLS),
        *(Finding(says, float(found), 0.0, claimed=len(shared) >= DECIDES) for says, found in over.items()),
    ]  # fmt: skip


def _above(values: np.ndarray) -> float:
    return float(mean_interval(values, 0.98)[1])


def _ranks(rows: list[Row]) -> np.ndarray:
    """Spearman's correlation of what one step says and what training gives, over all students of each seed."""
    seeds = [[row for row in rows if row["seed"] == seed] for seed in sorted({row["seed"] for row in rows})]
    pairs = [([row["functional_cosine"] for row in own], [row["accuracy"] for row in own]) for own in seeds]
    return np.array([stats.spearmanr(*pair).statistic for pair in pairs])


def _of(seeds: list[Row], name: str, amount: float) -> dict[str, np.ndarray]:
    """Columns of one point, by seed."""
    chosen = sorted((r for r in seeds if r["path"] == name and r["amount"] == amount), key=lambda r: r["seed"])
    return {key: np.array([r[key] for r in chosen]) for key in chosen[0] if key != "path"}


def _shared(seeds: list[Row], name: str) -> dict[str, np.ndarray]:
    """The shared init's students: of the same teacher, so a fork has its own."""
    return _of(seeds, SHARED_FORK if "fork" in name else SHARED, 0.0)


def _columns(curves: list[dict[str, np.ndarray]], key: str) -> np.ndarray:
    return np.stack([curve[key] for curve in curves], axis=1)


def figure(tables: dict[str, list[Row]]) -> Figure:
    """A row of panels for each kind of path: accuracy of trained students, and one step of theory, against distance."""
    points = tables["init_training"]
    shown = {row["path"] for row in points}
    kinds = {kind: [name for name in names if name in shown] for kind, names in KINDS.items()}
    kinds = {kind: names for kind, names in kinds.items() if names}
    with style():
        drawn = sheet(0.5 + 1.75 * len(kinds))
        panels = drawn.subplots(len(kinds), 2, squeeze=False, sharex="row")
        for (left, right), (kind, names), letter in zip(panels, kinds.items(), "abcd", strict=False):
            for i, name in enumerate(names):
                rows = _with_shared(points, name)
                _trained(left, rows, i)
                right.plot([r["distance"] for r in rows], [r["functional_cosine"] for r in rows], **mark(i))
            left.set_title(f"({letter}) {kind}: trained")
            right.set_title("one step of theory")
            left.axhline(CHANCE, color="#777777", linewidth=0.8, linestyle=(0, (1, 2)))
            right.axhline(0, color="#777777", linewidth=0.8, linestyle=(0, (1, 2)))
            left.set(ylim=(0, 1), ylabel="accuracy")
            right.set(ylim=(-0.2, 1.1), ylabel="functional cosine")
            handles, labels = left.get_legend_handles_labels()
            right.legend(handles, labels, loc="center left", bbox_to_anchor=(1.0, 0.5), handlelength=2.6)
        for axes in panels[-1]:
            axes.set_xlabel("distance ‖θ0_S − θ0‖ / ‖θ0‖")
    return drawn


def _with_shared(points: list[Row], name: str) -> list[Row]:
    """A path's points, behind the shared init where it leaves from there."""
    rows = [row for row in points if row["path"] == name]
    shared = [row for row in points if row["path"] == (SHARED_FORK if name == "fork" else SHARED)]
    return shared + rows if rows[0]["amount"] > 0 else rows


def _trained(axes: Axes, rows: list[Row], i: int) -> None:
    x, y = ([row[key] for row in rows] for key in ("distance", "accuracy"))
    ends = np.array([[row["accuracy"] - row["low"], row["high"] - row["accuracy"]] for row in rows]).T
    label = rows[-1]["path"].replace("-on-trait", "\n  on trait").replace("behaviour-matched", "behaviour-\n  matched")
    axes.errorbar(x, y, ends, elinewidth=0.7, label=label, **mark(i))
