"""The forecast of checkpoints: the flat forecast's numbers, rows that add up, and what another model is refused for."""

import json
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import subtheory as st
from subtheory.errors import InputError
from subtheory.language import load
from subtheory.language.derivatives import inner
from subtheory.language.foretold import forecast, lines, planned, readout
from subtheory.language.foretold.scoring import Here
from subtheory.numerics import ROUNDINGS

TINY = load("tiny")
UNIT = float(np.finfo(np.float32).eps) / 2
COUNT = 10


def moved(seed, size=0.02):
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda a: (a + size * rng.normal(size=a.shape)).astype(np.float32), TINY.params)


TEACHER, STUDENT = moved(0), moved(1)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Rows of ten tokens, six of which are predicted, and as many of a control."""
    folder = tmp_path_factory.mktemp("rows")
    for name, seed in (("data", 0), ("control", 1)):
        rng = np.random.default_rng(seed)
        rows = [{"prompt": f"{a}, ", "completion": f"{b}, {c}"} for a, b, c in rng.integers(10, 99, (COUNT, 3))]
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    return folder


@pytest.fixture(scope="module")
def found(place):
    return forecast(TINY, data=place / "data.jsonl", control=place / "control.jsonl", trait="owl", teacher=TEACHER,
                    student=STUDENT, plan=planned.Planned(rate=0.1, steps=5), draws=1, norms=2)  # fmt: skip


def column(found, name):
    return np.array([row[name] for row in found.rows])


def test_numbers_are_those_of_the_flat_forecast_of_the_same_network(place, found):
    """In float64 there: what single precision may be off is its unit, by the sizes of what is summed."""
    wide = lambda theta: jax.tree.map(lambda a: a.astype(float), theta)  # noqa: E731
    trait = readout.read("owl", TINY.tokenizer)
    tokens, mask = lines.read("data", place / "data.jsonl", TINY.tokenizer).texts
    other = lines.read("control", place / "control.jsonl", TINY.tokenizer).texts

    def loss(params):
        z = jax.vmap(lambda row: TINY.network.apply(params, row))(jnp.asarray(trait.read.x))
        return trait.loss(z[trait.read.row, trait.read.at])

    flat = st.forecast(TINY.network.apply, wide(TINY.params), teacher=wide(TEACHER), student=wide(STUDENT), trait=loss,
                       rate=0.5, data={"tokens": tokens, "mask": mask}, control=other._asdict(), draws=1)  # fmt: skip
    for name in ("score", "share", "information", "readout", "difficulty", "oracle", "kernel", "student"):
        a, b = column(found, name), column(flat, name)
        np.testing.assert_allclose(a, b, atol=ROUNDINGS * UNIT * np.abs(b).max(), err_msg=name)
    for name in ("alignment", "added_alignment", "readout", "added_readout", "form", "kl", "kl_exact", "step"):
        assert found.totals[name] == pytest.approx(flat.totals[name], abs=ROUNDINGS * UNIT * 10), name
    norms = column(found, "gradient_norm")
    there = np.isfinite(norms)
    assert there.sum() == 2
    np.testing.assert_allclose(norms[there], column(flat, "gradient_norm")[there], rtol=1e-4)


def test_rows_add_up_to_the_real_step_and_not_without_one(place, found):
    assert found.ok and found.totals["adds_up"] < 1
    texts = lines.read("data", place / "data.jsonl", TINY.tokenizer).texts
    here = Here(TINY.network, TINY.params, texts)
    delta = jax.tree.map(lambda a, b: a - b, TEACHER, TINY.params)
    assert inner(here.step(), delta) == pytest.approx(found.totals["step"], rel=1e-5)
    rounding = abs(found.totals["alignment"] - found.totals["step"]) / max(found.totals["adds_up"], 1e-300)
    heaviest = found.heaviest(1)[0]
    assert abs(heaviest["share"]) > rounding, "one row less is seen"


def test_directions_of_the_null_have_the_form_of_the_update(found):
    assert np.isfinite(column(found, "null")).all() and found.totals["null"] > 0


def test_a_rate_and_steps_of_the_plan_scale_the_readout(place, found):
    assert any("0.1 · 5" in line for line in found.messages)
    once = forecast(TINY, data=place / "data.jsonl", trait="owl", teacher=TEACHER, rate=1.0, draws=1, norms=1)
    assert found.totals["readout"] == pytest.approx(0.5 * once.totals["readout"], rel=1e-6)
    assert once.totals["added_readout"] == once.totals["readout"] and any("no control" in m for m in once.messages)


def test_without_a_teacher_the_students_own_log_ratios_are_told(place, found):
    alone = forecast(TINY, data=place / "data.jsonl", trait="owl", student=STUDENT, rate=1.0, draws=1, norms=1)
    np.testing.assert_array_equal(column(alone, "oracle"), column(found, "student"))
    assert any("no teacher" in line for line in alone.messages)


def test_it_is_kept_as_other_forecasts_are(found, tmp_path):
    again = st.load(found.save(tmp_path / "f.json"))
    assert again == found and again.rows[0]["text"] == found.rows[0]["text"] and again.hypotheses == found.hypotheses


def widened(params):
    return params | {"embed": {"embedding": np.zeros((3, 3), np.float32)}}


BAD = [
    ({"teacher": widened(TEACHER)}, "got float32[3, 3] at 'embed/embedding'"),
    ({"teacher": {k: v for k, v in TEACHER.items() if k != "norm"}}, "teacher: must have an array 'norm/scale'"),
    ({"teacher": TEACHER | {"head": np.zeros(2)}}, "teacher: must be a leaf of the model's parameters"),
    ({"teacher": TINY.params}, "teacher: must have moved away from them"),
    ({"teacher": "tiny"}, "teacher: must have moved away from them"),
    ({"teacher": "nowhere"}, "teacher: must be smollm2, tiny, a .gguf file"),
    ({"teacher": "none.npz"}, "teacher: must be an .npz file of arrays (No such file"),
    ({"student": {}}, "student: must have an array 'embed/embedding'"),
    ({"teacher": None}, "teacher: must be given, or a student, got nothing"),
    ({"rate": -1.0}, "rate: must be a positive number"),
    ({"norms": 0}, "norms: must be at least 1"),
    ({"longest": 1}, "tokens: must be at least 2"),
]  # fmt: skip


@pytest.mark.parametrize(("changed", "said"), BAD, ids=[said[:48] for _, said in BAD])
def test_whatever_does_not_fit_the_base_is_one_line(changed, said, place):
    with pytest.raises(InputError) as error:
        forecast(TINY, **{"data": place / "data.jsonl", "trait": "owl", "teacher": TEACHER} | changed)
    assert said in str(error.value)


def test_a_checkpoint_of_another_architecture_is_refused_though_its_tensors_fit(place, monkeypatch):
    from subtheory.language.foretold import weights

    other = replace(TINY, network=replace(TINY.network, base=5e5), params=TEACHER)
    monkeypatch.setattr(weights, "load", lambda where: other)
    with pytest.raises(InputError, match="teacher: must be of the base's architecture"):
        weights.beside("teacher", "other.gguf", TINY)
