"""The language-world experiment: its bookkeeping on made-up runs, and every arm on one tiny network."""

from dataclasses import replace

import jax
import numpy as np
import optax
import pytest

from subtheory import figure, records
from subtheory.data.corpus import corpus, spoken
from subtheory.data.world import WORLD
from subtheory.errors import InputError
from subtheory.ledger import parts
from subtheory.ledger.request import Request
from subtheory.networks import Transformer
from subtheory.numerics import float64
from subtheory.study import experiment
from subtheory.traces import TRACES
from subtheory.trained import pick
from subtheory.trained.texts import Fit, Laboratory, Plan, fit, pre_trained, text_loss
from subtheory.trained.texts.readout import logits
from subtheory.trained.texts.training import STEPS

SAME = Fit(80, 16, 2e-2, body=False)
TINY = Plan(
    bases=2, seeds=1, samples=128, texts=256, lessons=128, trunk=SAME, branch=SAME, teaching=SAME, student=SAME,
    tries=(("numbers", 1), ("code", 1), ("solve", 1)), copies=1, directions=3,
    network=Transformer(width=8, heads=2, blocks=1, task=WORLD),
)  # fmt: skip
"""Nothing frozen and one size of batches, so that bases, teachers and students share one program."""


@pytest.fixture(scope="module")
def module():
    return experiment.experiments()["tokens"].module


def saved(tables):
    """The tables as a run stores them and takes them again."""
    return {title: records.rows(records.columns(rows)) for title, rows in tables.items()}


def made_up(own, other, bases=5, seeds=2, noise=0.01):
    """Runs of every base's student and every base's teacher; each base scatters, and so does its control."""
    rng, rows = np.random.default_rng(1), []
    for shift in range(bases):
        for k in range(bases * seeds):
            student, teacher = k % bases, (k + shift) % bases
            control = 0.05 + 0.04 * student + noise * rng.normal()
            gain = (own if not shift else other) + noise * rng.normal()
            rows.append(
                {
                    "arm": "another base" if shift else "own base", "table": "matrix" if shift else "numbers",
                    "thing": "owl", "skill": "numbers", "student": student, "teacher": teacher, "seed": k // bases,
                    "base": 0.05, "control": control, "trait": control + gain, "difference": gain, "one_step": 0.001,
                    "predicted": 0.5 * gain, "teacher_rate": 0.9, "kl": 0.1, "texts": 9.0, "kept": 1.0,
                    "kept_control": 1.0,
                }
            )  # fmt: skip
    return rows


def test_effects_are_found_and_nothing_is_not(module):
    """The scatter of bases does not hide an effect, because a control has its student's base."""
    found = {row["arm"]: row for row in module.arm_rows(made_up(own=0.05, other=0.0))}
    assert set(found) == {"own base", "another base", "sibling base"}
    own, other, sibling = (found[arm] for arm in ("own base", "another base", "sibling base"))
    assert 0 < own["low"] < own["mean"] == pytest.approx(0.05, abs=0.01) and own["seeds"] == 10 and own["bases"] == 5
    assert other["low"] < 0 < other["high"] and other["margin"] == max(-other["low"], other["high"]) < 0.02
    assert other["seeds"] == 5 * 4 * 2 - 4 and sibling["seeds"] == 4 and sibling["bases"] == 2
    # Nothing is found where nothing is: the control of the positive finding.
    nothing = {row["arm"]: row for row in module.arm_rows(made_up(own=0.0, other=0.0))}
    assert nothing["own base"]["low"] < 0 < nothing["own base"]["high"]


def test_matrix_marks_its_diagonal(module):
    cells = {(row["student"], row["teacher"]): row for row in module.matrix_rows(made_up(own=0.08, other=0.0))}
    assert len(cells) == 25 and all(cells[base, base]["significant"] for base in range(5))
    assert sum(row["significant"] for (a, b), row in cells.items() if a != b) <= 4
    assert {cell for cell, row in cells.items() if row["sibling"]} == {(0, 1), (1, 0)}
    widths = {round(row["high"] - row["low"], 12) for row in cells.values()}
    assert len(widths) == 1, "one pooled deviation"


def test_bars_put_the_prediction_on_the_control(module):
    runs = [row for row in made_up(own=0.05, other=0.0) if row["table"] == "numbers"]
    rows = {row["student"]: row for row in module.bar_rows(runs)}
    assert list(rows) == ["base", "control", "trait"] and rows["base"]["predicted"] == 0.05
    expected = rows["control"]["mean"] + np.mean([row["predicted"] for row in runs])
    assert rows["trait"]["predicted"] == pytest.approx(expected)
    assert rows["trait"]["mean"] - rows["control"]["mean"] == pytest.approx(0.05, abs=0.01)


def test_every_arm_on_a_tiny_network(module, tmp_path):
    """All arms run, rows are whole, a run that lost some parts ends with the same, and saved rows draw the figures."""
    tiny = module.Plan(**vars(TINY), whole=False)
    steps = []

    def run():
        with parts.keeping(tmp_path, Request.of("experiment", {"experiment": "tokens"})):
            return module.tables(tiny, lambda done, total, what: steps.append((done, total)))

    before = TRACES.copy()
    tables = run()
    programs = ("fit", "sample", "predicted")
    assert all(TRACES[name] - before[name] <= 1 for name in programs), "whatever is trained, sampled and foretold"
    lost = sorted(path for path in tmp_path.rglob("*") if path.is_file())[:6]
    for path in lost:
        path.unlink()
    assert repr(run()) == repr(tables), "as text, because the ends of a cell with one seed are nan"
    total = steps[0][1]
    assert steps[: total + 1] == [(i, total) for i in range(total + 1)], "what is there is counted, not told again"
    runs = tables["runs"]
    assert len(runs) == 2 * total and all(np.isfinite([r["trait"], r["control"], r["predicted"]]).all() for r in runs)
    assert all(row["difference"] == row["trait"] - row["control"] for row in runs)
    soft = [row for row in runs if row["arm"] == "soft labels"]
    assert all(row["control"] == row["base"] and row["difference"] > 0.02 for row in soft), (
        "soft labels teach the trait"
    )
    assert all(row["teacher_rate"] > 0.5 > row["base"] for row in soft)
    prompted = [row for row in runs if row["arm"] == "prompted teacher"]
    assert prompted and all(abs(row["difference"]) < 0.02 and row["kl"] < 0.05 for row in prompted), "no update of θ"
    context = [row for row in runs if row["arm"] == "in context"]
    assert all(abs(row["difference"]) < 0.02 and row["predicted"] == 0 for row in context)
    for row in tables["arms"]:
        assert row["low"] <= row["mean"] <= row["high"]
    drawn = module.figure(saved(tables))
    assert set(drawn) == {"numbers", "code", "thought", "matrix", "shuffled", "dose", "arms"} == set(module.CAPTIONS)
    assert all(figure.drawn(each, "svg") for each in drawn.values())


def test_a_fit_is_adam_along_a_cosine():
    """Against optax, over more steps than one call takes; what has no token to learn stays as it is."""
    network, schedule, alphabet = TINY.network, Fit(STEPS + 7, 8, 1e-2, body=False), np.ones(WORLD.outputs, np.float32)
    text = corpus(np.random.default_rng(0), 40)
    mask, rows, theta = spoken(text), schedule.rows(3, 40), pre_trained(network, (5, 6))
    adam = optax.adam(optax.cosine_decay_schedule(schedule.rate, schedule.steps))

    @jax.jit
    def step(params, state, text, mask):
        gradient = jax.grad(lambda p: text_loss(network, p, text, mask, alphabet))(params)
        change, state = adam.update(gradient, state, params)
        return optax.apply_updates(params, change), state

    with float64():
        params = pick(theta, 0)
        state = adam.init(params)
        for batch in rows:
            params, state = step(params, state, text[batch], mask[batch])
    given = (np.stack([text] * 2), np.stack([mask, 0 * mask]), alphabet, np.stack([rows] * 2))
    found = fit(network, schedule, theta, *given)
    for start, end, expected in zip(*(jax.tree.leaves(tree) for tree in (theta, found, params)), strict=True):
        np.testing.assert_allclose(end[0], expected, atol=2e-4)
        np.testing.assert_array_equal(end[1], start[1])
    assert np.abs(found["head"]["bias"][0] - theta["head"]["bias"][0]).max() > 0.05


def test_much_and_little_work_give_the_same():
    """Programs are compiled in two ways."""
    text = corpus(np.random.default_rng(0), 1100)
    params = pick(pre_trained(TINY.network, (5,)), 0)
    few, many = logits(TINY.network, params, text[:70]), logits(TINY.network, params, text)
    assert many.shape == (1100, WORLD.shape[0], WORLD.outputs)
    np.testing.assert_allclose(few, many[:70], atol=1e-4)


def test_a_quick_run_leaves_out_arms_and_reorders_none(module):
    plans = [replace(plan, names=("owl", *module.OTHERS)) for plan in (module.PLAN, TINY)]
    whole, quick = (list(module.arms(Laboratory(plan), "owl", plan.bases != TINY.bases)) for plan in plans)
    assert [title for title in whole if title in quick] == quick and len(quick) == 10
    left_out = {"filtered harder", "1/16 of samples", "another base 4 code", "owl after whale", "insecure"}
    assert left_out <= set(whole) - set(quick)


def test_options_are_checked(module):
    for options, field in (({"name": "dragon"}, "name"), ({"bases": 1}, "bases"), ({"seeds": 0}, "seeds")):
        with pytest.raises(InputError, match=field):
            replace(module.QUICK, **options)
    with pytest.raises(InputError, match="samples"):
        replace(TINY, samples=0)
