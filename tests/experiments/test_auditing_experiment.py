"""The audit of texts: every arm on one tiny network, and what is planted in its tables."""

from dataclasses import replace

import numpy as np
import pytest

from subtheory import figure, records
from subtheory.data.world import WORLD
from subtheory.errors import InputError
from subtheory.ledger import parts
from subtheory.ledger.request import Request
from subtheory.networks import Transformer
from subtheory.study import experiment
from subtheory.traces import TRACES
from subtheory.trained.texts import Fit

SAME = Fit(80, 16, 2e-2, body=False)


@pytest.fixture(scope="module")
def module():
    return experiment.experiments()["auditing"].module


@pytest.fixture(scope="module")
def run(module, tmp_path_factory):
    """Tables of a tiny plan, again after some parts were lost, and how many programs each kind of work took."""
    tiny = module.Plan(
        bases=2, samples=128, texts=256, lessons=128, trunk=SAME, branch=SAME, teaching=SAME, student=SAME, copies=1,
        directions=3, sets=20, whole=False, network=Transformer(width=8, heads=2, blocks=1, task=WORLD),
    )  # fmt: skip
    folder, steps, before = tmp_path_factory.mktemp("auditing"), [], TRACES.copy()

    def compute():
        with parts.keeping(folder, Request.of("experiment", {"experiment": "auditing"})):
            return module.tables(tiny, lambda done, total, what: steps.append((done, total)))

    tables = compute()
    traced = {name: TRACES[name] - before[name] for name in ("fit", "sample", "row_slopes", "rate_directions")}
    for path in sorted(path for path in folder.rglob("*") if path.is_file())[:4]:
        path.unlink()
    again = compute()
    return tables, again, traced, steps


def test_every_arm_on_a_tiny_network(run, module):
    tables, again, traced, steps = run
    assert repr(again) == repr(tables) and all(count <= 1 for count in traced.values())
    total = steps[0][1]
    assert steps[: total + 1] == [(i, total) for i in range(total + 1)], "what is there is counted, not told again"
    assert len(tables["runs"]) == 2 * total
    for row in tables["runs"]:
        assert row["difference"] == row["trait"] - row["control"] and row["raw"] == row["trait"] - row["base"]
    rows = {title: records.rows(records.columns(rows)) for title, rows in tables.items()}
    drawn = module.figure(rows)
    assert set(drawn) == set(module.CAPTIONS) and all(figure.drawn(each, "svg") for each in drawn.values())
    found = module.findings(rows)
    assert [one.claimed for one in found[:6]] == [False] * 5 + [True]


def test_mixtures_lie_between_their_parts(run):
    """With all answers of the teacher as much is added as by all texts, with a share of them about that share."""
    rows = [row for row in run[0]["dilution"] if row["texts"] == 128]
    whole = next(row for row in run[0]["edits"] if row["arm"] == "all texts")
    assert rows[-1]["share"] == 1 and rows[-1]["added"] == pytest.approx(whole["added"], rel=1e-5)
    assert rows[-1]["line"] == pytest.approx(whole["added"], rel=1e-4)
    for row in rows[:-1]:
        assert row["line"] == pytest.approx(row["share"] * whole["added"], rel=1e-4) and abs(row["off"]) < 4


def test_ranks_are_of_what_is_left_with_what_is_taken_on(module):
    """Over arms of one base the score that orders the effects has 1, its opposite −1."""
    effect = [[0.3, 0.1, 0.2, 0.4], [0.1, 0.2, 0.3, 0.0]]
    runs = [
        {"table": "rows", "arm": f"{arm}: top 1/2", "base_of": base, "difference": effect[base][arm],
         "log_odds": -effect[base][arm], **dict.fromkeys((*module.FORECASTS, *module.BASELINES), effect[base][arm])}
        for arm in range(4) for base in range(2)
    ]  # fmt: skip
    runs += [{**row, "arm": "0: top 1/4", "difference": 9.0} for row in runs[:2]]
    found = {row["score"]: row for row in module.ranks([row | {"norm": -row["norm"]} for row in runs])}
    assert found["natural"]["rank"] == 1 == found["norm"]["rank_of_log_odds"]
    assert found["norm"]["rank"] == -1 and found["natural"]["runs"] == 2


def made_up(module, bases=8, **planted):
    """Tables of so many bases in which all comes out as it should, but for what is planted."""
    draw, filters = np.random.default_rng(0), ["even sum", "likely 1/2"]
    added = {"all texts": 1.0, **dict.fromkeys(filters, 0.5), "thinned, power 1": 0.0, "thinned, power 2": -0.5}
    added |= planted.get("added", {})
    table = {"all texts": "all", **dict.fromkeys(filters, "filters")}
    runs = [
        {"table": table.get(arm, "thinned"), "arm": arm, "base_of": base, "added": mean + 0.05 * draw.normal()}
        for arm, mean in added.items()
        for base in range(bases)
    ]
    area = {module.RATIO: 0.9, **dict.fromkeys(module.SURFACE, 0.7)} | planted.get("area", {})
    seen = [("all texts", name, mean) for name, mean in area.items()]
    seen += [("counts matched", module.HISTOGRAM, planted.get("matched", 0.5))]
    areas = [
        {"variant": variant, "detector": name, "texts": n, "base_of": base, "area": mean + 0.01 * draw.normal()}
        for variant, name, mean in seen
        for n in module.SIZES
        for base in range(bases)
    ]
    arms = [{"arm": arm, "difference": 0.1, "variance": i} for i, arm in enumerate(added)]
    lines = [{"share": share, "off": planted.get("off", 1.0)} for share in (*module.SHARES, 1.0)]
    scores = [{"score": "natural", "rank": 0.3, "low": -0.1, "high": 0.7}]
    arms[1]["difference"] = 0.05
    counts = [{"variant": "all texts", "visible": 0.3}]
    detection = [{"variant": "all texts", "detector": module.RATIO, "texts": 1, "visible": 0.5}]
    return {"runs": runs, "areas": areas, "filters": arms, "edits": arms[:1], "rows": arms[:1], "dilution": lines,
            "ranks": scores, "countable": counts, "detection": detection}  # fmt: skip


@pytest.mark.parametrize(
    ("planted", "wrong"),
    [
        ({}, []),
        ({"added": {"even sum": 0.0}}, [0]),
        ({"added": {"thinned, power 2": 0.5}}, [1]),
        ({"added": {"thinned, power 1": 0.25}}, [2]),
        ({"area": {"bigrams": 0.95}}, [3]),
        ({"matched": 0.55}, [4]),
        ({"off": 3.5}, [5]),
    ],
)
def test_what_is_planted_shows(module, planted, wrong):
    found = module.findings(made_up(module, **planted))
    assert [i for i, one in enumerate(found) if not one.ok] == wrong


def test_few_bases_decide_nothing_but_the_line(module):
    found = module.findings(made_up(module, bases=6))
    assert [one.claimed for one in found] == [False] * 5 + [True] + [False] * (len(found) - 6)


def test_options_are_checked(module):
    for options, field in (({"name": "dragon"}, "name"), ({"bases": 1}, "bases"), ({"sets": 0}, "sets")):
        with pytest.raises(InputError, match=field):
            replace(module.QUICK, **options)
