"""Chains of language models: every arm on one tiny network, and what is planted in their tables."""

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
from subtheory.trained.texts import LESSON, Fit, without_lesson

SAME = Fit(60, 16, 2e-2, body=False)


@pytest.fixture(scope="module")
def module():
    return experiment.experiments()["text_generations"].module


def saved(tables):
    """The tables as a run stores them and takes them again."""
    return {title: records.rows(records.columns(rows)) for title, rows in tables.items()}


def test_every_arm_on_a_tiny_network(module, tmp_path):
    """All arms run, one that lost some parts ends with the same, the ancestor is the reference, and figures draw."""
    tiny = module.Plan(
        bases=2, hops=3, samples=64, texts=256, lessons=64, trunk=SAME, branch=SAME, teaching=SAME, student=SAME,
        tries=(("numbers", 1), ("code", 1), ("solve", 1)), copies=1,
        network=Transformer(width=8, heads=2, blocks=1, task=WORLD),
    )  # fmt: skip
    steps, before = [], TRACES.copy()

    def run():
        with parts.keeping(tmp_path, Request.of("experiment", {"experiment": "text_generations"})):
            return module.tables(tiny, lambda done, total, what: steps.append((done, total)))

    tables = run()
    assert all(TRACES[name] - before[name] <= 1 for name in ("fit", "sample")), "whatever is trained and sampled"
    for path in sorted(path for path in tmp_path.rglob("*") if path.is_file())[:4]:
        path.unlink()
    assert repr(run()) == repr(tables)
    steps = steps[: len(steps) // 2]
    assert steps == [(i + 1, len(steps)) for i in range(len(steps))] and len(tables["runs"]) == 2 * len(steps)
    for row in tables["runs"]:
        assert row["difference"] == row["trait"] - row["control"]
        if row["hop"] == 0:
            assert row["carried"] == pytest.approx(1.0) and row["control"] == row["base"] < row["trait"]
    drawn = module.figure(saved(tables))
    assert set(drawn) == set(module.CAPTIONS) and all(figure.drawn(each, "svg") for each in drawn.values())
    assert not any(one.claimed for one in module.findings(saved(tables))), "two bases decide nothing"


def test_arms_differ_in_what_they_say(module):
    """All have as many hops; fresh students come in the middle, of a base that is no sibling; one lesson each."""
    chains = module.chains(module.PLAN)
    assert all(len(without_lesson(chain)) == 6 and chain.count(LESSON) == 1 for chain in chains.values())
    own, other = ([hop.shift for hop in chains[arm][1:]] for arm in (module.OWN, module.OTHER))
    assert own == [None, None, 0, None, None, None] and other == [None, None, 5, None, None, None]
    assert chains[module.LATE].index(LESSON) == 2 and len(set(chains.values())) == len(chains)


def made_up(module, bases=8, **planted):
    """Tables of so many bases in which all comes out as it should, but for what is planted."""
    draw, chains = np.random.default_rng(0), module.chains(module.Plan(bases=bases))
    odds = {
        module.RESET: [6, 1.8, 1.5, 1.35, 1.3, 1.25, 1.22], module.CONTINUED: [6, 5.8, 5.6, 5.5, 5.4, 5.3, 5.2],
        module.OWN: [6, 5.8, 5.6, 1.8, 1.7, 1.7, 1.6], module.OTHER: [6, 5.8, 5.6, 0, 0, 0, 0],
        module.LATE: [6, 1.8, 1.5, 1.35, 1.3], module.RESET + module.TURNS: [6, 1.8, 0, 0, 0, 0, 0],
    } | planted.get("odds", {})  # fmt: skip
    runs = []
    for arm, chain in chains.items():
        first = chain.index(LESSON)
        for i in range(len(chain) - first):
            for base in range(bases):
                mean = odds.get(arm, odds[module.CONTINUED])[i]
                r = mean * (1 + 0.02 * draw.normal()) + 0.01 * draw.normal()
                control = 0.05 + planted.get("drift", 0.0) * (i > 0) + 0.002 * draw.normal()
                trait = 1 / (1 + np.exp(-r - np.log(control / (1 - control))))
                runs.append({"arm": arm, "hop": first + i, "skill": chain[first + i].skill, "base_of": base,
                             "base": 0.05, "control": control, "trait": trait, "difference": trait - control,
                             "log_odds": r, "carried": 1.0, "kept": 1.0, "kept_control": 1.0})  # fmt: skip
    return {"hops": module.hop_rows(runs), "retention": module.retention_rows(runs),
            "direction": module.direction_rows(runs), "runs": runs}  # fmt: skip


@pytest.mark.parametrize(
    ("odds", "drift", "wrong"),
    [
        ({}, 0.0, []),
        ({"CONTINUED": [6, 5.8, 0.0, 0.0, 0.0, 0.0, 0.0]}, 0.0, [0, 1]),
        ({"OWN": [6, 5.8, 5.6, 0.0, 0.0, 0.0, 0.0]}, 0.0, [1]),
        ({"OTHER": [6, 5.8, 5.6, 0.9, 0, 0, 0]}, 0.0, [2]),
        ({}, 0.05, [3]),
        ({"RESET": [6, 3.6, 1.9, 1.8, 1.7, 1.6, 1.5]}, 0.0, [4]),
        ({"RESET": [6, 3.6, 1.9, 1.0, 0.5, 0.2, 0.1]}, 0.0, [4, 5]),
        ({"RESET": [6, 1.8, 2.2, 2.2, 2.2, 2.2, 2.2]}, 0.0, [5]),
    ],
)
def test_what_is_planted_shows(module, odds, drift, wrong):
    planted = {getattr(module, arm): each for arm, each in odds.items()}
    found = module.findings(made_up(module, odds=planted, drift=drift))
    assert [i for i, one in enumerate(found) if not one.ok] == wrong


def test_few_bases_decide_nothing(module):
    assert not any(one.claimed for one in module.findings(made_up(module, bases=6)))


def test_retention_and_its_direction(module):
    """Ratios of means; a chain whose retention goes up, one of one ratio, and one that goes down."""
    falls = [6 * 0.9 ** (k * (k + 1) / 2) for k in range(7)]
    tables = made_up(module, odds={module.CONTINUED: falls})
    rho = [row["retention"] for row in tables["retention"] if row["arm"] == module.RESET]
    assert rho == pytest.approx([0.3, 0.83, 0.9, 0.96, 0.96, 0.98], abs=0.03)
    says = {(row["arm"], row["from_hop"]): row["says"] for row in tables["direction"]}
    assert says[module.RESET, 1] == "rises" and says[module.CONTINUED, 1] == "falls"
    assert all(row["low"] <= row["retention"] <= row["high"] for row in tables["retention"])


def test_the_jackknife_of_a_mean_is_students_interval(module):
    values = np.random.default_rng(3).normal(size=9)
    found = module.jackknifed(lambda each: float(each.mean()), values)
    np.testing.assert_allclose(found, module.mean_interval(values), rtol=1e-12)


def test_linear_theory_bounds_a_chain_by_its_first_hop(module):
    """Σ c_i a_iᵏ with c_i ≥ 0 lies between r_0ρ_1ᵏ, one mode, and r_1, modes that are kept whole or not at all."""
    runs = made_up(module)["runs"]
    least, most = module.bounds(runs)[module.RESET].T
    draw = np.random.default_rng(1)
    for _ in range(50):
        c, a, k = draw.exponential(size=5), draw.random(5), np.arange(7)
        r = (c * a ** k[:, None]).sum(axis=1)
        scaled = [{**row, "log_odds": r[row["hop"]]} if row["arm"] == module.RESET else row for row in runs]
        least, most = module.bounds(scaled)[module.RESET].T
        assert np.all(least <= r + 1e-12) and np.all(r <= most + 1e-12)
    assert least[1] == pytest.approx(most[1]) and np.all(least[2:] < most[2:])


def test_options_are_checked(module):
    for options, field in (({"name": "dragon"}, "name"), ({"bases": 1}, "bases"), ({"hops": 2}, "hops")):
        with pytest.raises(InputError, match=field):
            replace(module.QUICK, **options)
