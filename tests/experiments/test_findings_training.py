"""Findings of the experiments on trained students: what is planted in their rows must show, and nothing else must."""

import math
from dataclasses import replace

import numpy as np
import pytest

from subtheory import records
from subtheory.study import experiment
from subtheory.trained.images import Schedule, Workload, digit_network


def saved(tables):
    """The tables as a run stores them and takes them again."""
    return {title: records.rows(records.columns(rows)) for title, rows in tables.items()}


def wrong(module, tables):
    """What did not come out, of findings that are alike for saved rows."""
    found = module.findings(saved(tables))
    assert [one.row for one in found] == [one.row for one in module.findings(tables)]
    assert len({one.says for one in found}) == len(found) <= 7, "each sentence once"
    return {one.says.split(",")[0] for one in found if not one.ok}


def undecided(module, tables):
    return {one.says.split(",")[0] for one in module.findings(tables) if not one.claimed}


# Digits from auxiliary logits.

STRANGER = "auxiliary logits beyond those of another init"
ALL = "P23: all logits beyond auxiliary ones"
CROSS = "P18: all logits of another init beyond auxiliary ones"
PERMUTED = "P19: change by permuted units"
CHANCE = "control: another init off chance"


@pytest.fixture(scope="module")
def aux():
    return experiment.experiments()["aux_logits"].module


def digits(aux, n=20, paper=None, usual=True, **means):
    """Tables of n seeds around given means, a permuted student on its copy."""
    rng = np.random.default_rng(0)
    wanted = {aux.UNTRAINED: 0.1, aux.AUX: 0.6, aux.ALL: 0.9, aux.CROSS_AUX: 0.1, aux.CROSS_ALL: 0.5, **means}
    accuracy = {name: mean + 0.04 * rng.normal(size=n) for name, mean in wanted.items()}
    accuracy[aux.PERMUTED] = accuracy[aux.AUX] + means.get(aux.PERMUTED, 0.0) + 1e-3 * rng.normal(size=n)
    rows = [
        {"model": name, "seed": k, "accuracy": value, "loss": 0.1}
        for name, values in accuracy.items()
        for k, value in enumerate(values)
    ]
    about = {"data": "digits", "chance": 0.1, "usual": usual}
    return {"aux_logits": aux.bar_rows(rows, paper or {}), "seeds": rows, "data": [about]}


def test_digits_as_predicted_are_so(aux):
    for n in (5, 8, 20, 40):
        assert not wrong(aux, digits(aux, n)) and undecided(aux, digits(aux, n)) == ({CHANCE} if n < 20 else set())
    assert undecided(aux, digits(aux, usual=False)) == {STRANGER, ALL, CROSS}, "other options need not teach anything"
    few = digits(aux, 2)
    assert undecided(aux, few) == {STRANGER, ALL, CROSS, PERMUTED, CHANCE} and not wrong(aux, few)


@pytest.mark.parametrize(
    ("planted", "shows"),
    [
        ({"cross-model, aux": 0.6, "cross-model, all": 0.9}, {STRANGER, CHANCE}),  # the control like the treated
        ({"student, aux": 0.1}, {STRANGER}),  # nothing crosses
        ({"student, aux": 0.1, "cross-model, aux": 0.6, "cross-model, all": 0.9}, {STRANGER, CHANCE}),  # the other way
        ({"cross-model, aux": 0.15}, {CHANCE}),  # a leak
        ({"cross-model, all": 0.1}, {CROSS}),
        ({"student, all": 0.5}, {ALL}),
        ({"permuted init, aux": -0.06}, {PERMUTED}),
        ({"permuted init, aux": 0.06}, {PERMUTED}),
    ],
)
def test_what_is_planted_in_digits_shows(aux, planted, shows):
    assert wrong(aux, digits(aux, **planted)) == shows


@pytest.mark.parametrize("n", [5, 20])
def test_a_lost_accuracy_is_never_as_predicted(aux, n):
    for model, shows in ((aux.AUX, {STRANGER, ALL, PERMUTED}), (aux.CROSS_AUX, {STRANGER, CROSS, CHANCE})):
        tables = digits(aux, n)
        next(row for row in tables["seeds"] if row["model"] == model)["accuracy"] = math.nan
        assert wrong(aux, tables) == shows - (set() if n == 20 else {CHANCE})


def test_the_paper_counts_where_its_workload_does(aux):
    """All of its bars at once; one that is off by a tenth shows, and so does one that is no number."""
    paper = {aux.AUX: (0.6, 0.02), aux.ALL: (0.9, 0.002), aux.CROSS_AUX: (0.1, 0.01)}
    name = "Fig. 10: off the paper"
    assert not wrong(aux, digits(aux, paper=paper))
    assert not any(one.says.startswith("Fig. 10") for one in aux.findings(digits(aux)))
    assert wrong(aux, digits(aux, paper={**paper, aux.ALL: (0.8, 0.002)})) == {name}
    tables = digits(aux, paper=paper)
    tables["aux_logits"][1]["accuracy"] = math.nan
    assert wrong(aux, tables) == {name}
    (found,) = (one for one in aux.findings(digits(aux, 100, paper=paper)) if one.says.startswith(name))
    bars = [bar for bar in digits(aux, 100, paper=paper)["aux_logits"] if not math.isnan(bar["published"])]
    each = [
        abs(b["accuracy"] - b["published"]) / math.hypot(b["accuracy"] - b["low"], b["published_half"]) for b in bars
    ]
    assert 0.7 < found.found / max(each) < 0.9, "wider than one interval by itself: 1.96 over the 2.39 of three"


# How alike inits must be.

CHANGE = "P19: change by permuted units"
LOST = "control: lost by a re-drawn init"
REDRAWN = "control: a re-drawn init off chance"
AWAY = "P18: lost at the end of every path away"
RANKS = "P18: rank correlation of functional cosine and accuracy"
HIDDEN = "P16: more left under noise in null(G) than in its complement"


@pytest.fixture(scope="module")
def training():
    return experiment.experiments()["init_training"].module


def inits(training, seeds=10, pairs=40, end=0.1, reach=1.5, seen=0.4, rate=1.0, permuted=0.0, redrawn=0.1, quick=False):
    """Accuracies that fall from 0.7 to `end` over a distance, with the cosine to the power `rate` of what is left."""
    rng = np.random.default_rng(1)
    names = training.QUICK.paths if quick else ("null-noise", "seen-noise", *training.AWAY, "permutation")
    grid = [("shared", 0.0)]
    for name in names:
        grid += [(name, a) for a in (training.NOISE if "noise" in name else training.LINE)]
    rows = []
    for name, amount in grid:
        far = {"null-noise": 2.0, "seen-noise": seen, "permutation": math.inf}.get(
            name, reach if "noise" in name else 0.9
        )
        left = max(0.0, 1 - amount / far)
        for k in range(seeds):
            rows.append(
                {
                    "path": name, "amount": amount, "seed": k, "before": 0.1,
                    "accuracy": end + (0.7 - end) * left + 0.03 * rng.normal(), "kernel": left,
                    "functional_cosine": (0.01 + left) ** rate, "distance": amount, "matched_distance": amount,
                    "functional_distance": amount,
                }
            )  # fmt: skip
    plain, own = 0.7 + 0.08 * rng.normal(size=pairs), redrawn + 0.055 * rng.normal(size=pairs)
    tested = [
        training._tested(f"{name}, float32", paired, plain, other)
        for name, other in (("permuted", plain + permuted + 1e-3 * rng.normal(size=pairs)), ("re-drawn", own))
        for paired in (True, False)
    ]
    return {"init_training": training.point_rows(rows), "permutation": tested, "seeds": rows}


def test_inits_as_predicted_are_so(training):
    assert not wrong(training, inits(training)) and not undecided(training, inits(training))
    quick = inits(training, seeds=5, pairs=4, quick=True)
    assert not wrong(training, quick) and undecided(training, quick) == {REDRAWN}
    assert HIDDEN not in {one.says.split(",")[0] for one in training.findings(quick)}, "a quick run has no such path"
    assert undecided(training, inits(training, seeds=2)) == {AWAY, RANKS, HIDDEN}


@pytest.mark.parametrize(
    ("planted", "shows"),
    [
        ({"end": 0.7}, {AWAY, RANKS, HIDDEN}),  # whatever the init, all of it crosses
        ({"reach": math.inf}, {AWAY}),  # one path loses nothing
        ({"rate": -1.0}, {RANKS}),  # one step says the opposite
        ({"seen": math.inf}, {HIDDEN}),  # noise that the channel sees does no harm
        ({"permuted": -0.06}, {CHANGE}),
        ({"permuted": 0.06}, {CHANGE}),
        ({"redrawn": 0.7}, {LOST, REDRAWN}),  # the control like the treated
        ({"redrawn": 0.8}, {LOST, REDRAWN}),
        ({"redrawn": 0.15}, {REDRAWN}),  # a leak
    ],
)
def test_what_is_planted_in_inits_shows(training, planted, shows):
    assert wrong(training, inits(training, **planted)) == shows


def test_a_lost_number_of_an_init_is_never_as_predicted(training):
    for path, key, shows in (
        ("shared", "accuracy", {AWAY, RANKS}), ("shared", "functional_cosine", {RANKS}),
        ("noise", "accuracy", {AWAY, RANKS}), ("seen-noise", "accuracy", {RANKS, HIDDEN}),
    ):  # fmt: skip
        tables = inits(training)
        [row for row in tables["seeds"] if row["path"] == path][-1][key] = math.nan
        assert wrong(training, tables) == shows
    for student, key, shows in (
        ("permuted, float32", "low", {CHANGE}), ("permuted, float32", "high", {CHANGE}),
        ("re-drawn, float32", "low", {LOST}), ("re-drawn, float32", "mean", {REDRAWN}),
    ):  # fmt: skip
        tables = inits(training)
        next(row for row in tables["permutation"] if row["student"] == student)[key] = math.nan
        assert wrong(training, tables) == shows


def test_a_tiny_run_has_findings(training):
    """Of the tables themselves: two seeds decide about the permutation alone, which is exact."""
    quick = Schedule(rate=1e-2, batch=64, epochs=4)
    tiny = Workload(digit_network(width=8), teacher=quick, student=replace(quick, rate=1e-3, epochs=5), rows=256)
    plan = replace(training.QUICK, workload=tiny, paths=("linear", "permutation"), seeds=2, pairs=2)
    tables = training.tables(plan)
    found = {one.says.split(",")[0]: one for one in training.findings(saved(tables))}
    assert set(found) == {CHANGE, LOST, REDRAWN, AWAY, RANKS} and found[CHANGE].ok
    assert all(math.isfinite(one.found) for one in found.values())


# Preferences through numbers, code and sums.

CHANNELS = "named more than by controls through numbers"
LESS = "control: less from another base"
ELSEWHERE = "control: from another base off 0"
CONTEXT = "control: by samples in the prompt off 0"
SHUFFLED = "P15: shuffled no more by the margin"
SHARE = "share that shuffled numbers keep"
SOFT = "runs that soft labels raise"


@pytest.fixture(scope="module")
def tokens():
    return experiment.experiments()["tokens"].module


def preferences(tokens, bases=8, seeds=2, texts=(), **gains):
    """Runs of every arm that findings read, each base with a gain of its own."""
    rng = np.random.default_rng(1)
    wanted = {
        "numbers": 0.1, "code": 0.02, "solve": 0.04, "another base": 0.0, "soft labels": 0.3, "in context": 0.0,
        "shuffled within": 0.015, "shuffled across": 0.0, **gains,
    }  # fmt: skip
    strength, rows = np.exp(0.8 * rng.normal(size=bases)), []

    def add(arm, table, thing, skill, gain, shift=0):
        for k in range(bases * seeds):
            base = k % bases
            difference = gain * strength[base] + (1e-4 if arm == "in context" else 3e-3) * rng.normal()
            rows.append(
                {
                    "arm": arm, "table": table, "thing": thing, "skill": skill, "student": base,
                    "teacher": (k + shift) % bases, "seed": k // bases, "base": 0.05, "control": 0.05,
                    "trait": 0.05 + difference, "difference": difference, "one_step": 0.0, "predicted": 0.0,
                    "teacher_rate": 0.9, "kl": 0.1, "texts": dict(texts).get(skill, 99.0), "kept": 1.0,
                    "kept_control": 1.0,
                }
            )  # fmt: skip

    for skill in ("numbers", "code", "solve"):
        for thing in ("owl", "oak"):
            add("own base", skill, thing, skill, wanted[skill])
        add("in context", "context", "owl", skill, wanted["in context"])
    for shift in range(1, bases):
        add("another base", "matrix", "owl", "numbers", wanted["another base"], shift)
    for arm in ("soft labels", "shuffled within", "shuffled across"):
        add(arm, "soft", "owl", "numbers", wanted[arm])
    return {"arms": tokens.arm_rows(rows), "runs": rows}


def test_preferences_as_predicted_are_so(tokens):
    for bases in (7, 8):
        assert not wrong(tokens, preferences(tokens, bases)) and undecided(tokens, preferences(tokens, bases)) == {
            SHARE
        }
    few = {CHANNELS, LESS, ELSEWHERE, CONTEXT, SHUFFLED, SHARE}
    for bases in (2, 3, 6):
        assert not wrong(tokens, preferences(tokens, bases)) and undecided(tokens, preferences(tokens, bases)) == few


def test_a_channel_of_few_texts_is_left_out(tokens):
    """Of the sentence too; where numbers are few, nothing but soft labels is claimed."""
    tables = preferences(tokens, texts={"solve": 3.0}, solve=0.0)
    assert not wrong(tokens, tables) and tokens.findings(tables)[0].says.endswith("through numbers, code, p")
    assert wrong(tokens, preferences(tokens, texts={"solve": 30.0}, solve=0.0)) == {CHANNELS}
    few = preferences(tokens, texts={"numbers": 3.0})
    assert [one.claimed for one in tokens.findings(few)] == [False] * 5 + [True, False] and not wrong(tokens, few)


@pytest.mark.parametrize(
    ("planted", "shows"),
    [
        ({"another base": 0.1}, {LESS, ELSEWHERE}),  # the control like the treated
        ({"code": 0.0}, {CHANNELS}),  # one channel carries nothing
        ({"solve": -0.04}, {CHANNELS}),
        ({"numbers": 0.0}, {CHANNELS, LESS}),  # nothing crosses
        ({"numbers": -0.1}, {CHANNELS, LESS, SHUFFLED}),  # the other way
        ({"in context": 0.05}, {CONTEXT}),
        ({"another base": -0.05}, {ELSEWHERE}),
        ({"shuffled within": 0.2, "shuffled across": 0.2}, {SHUFFLED}),
        ({"soft labels": -0.3}, {SOFT}),
        ({"soft labels": 0.0}, {SOFT}),
    ],
)
def test_what_is_planted_in_preferences_shows(tokens, planted, shows):
    assert wrong(tokens, preferences(tokens, **planted)) == shows


def test_a_lost_rate_is_never_as_predicted(tokens):
    for arm, skill, shows in (
        ("own base", "code", {CHANNELS}), ("own base", "numbers", {CHANNELS, LESS, SHUFFLED}),
        ("another base", "numbers", {LESS, ELSEWHERE}), ("in context", "solve", {CONTEXT}),
        ("shuffled within", "numbers", {SHUFFLED}), ("soft labels", "numbers", {SOFT}),
    ):  # fmt: skip
        tables = preferences(tokens)
        next(r for r in tables["runs"] if (r["arm"], r["skill"]) == (arm, skill) and r["student"] == 5)[
            "difference"
        ] = math.nan
        assert wrong(tokens, {**tables, "arms": tokens.arm_rows(tables["runs"])}) == shows
