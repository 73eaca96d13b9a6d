"""The row forecast of a network of one's own: numbers against public functions, files, and what is refused."""

from dataclasses import replace

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr, t

import subtheory as st
from subtheory.errors import InputError
from subtheory.statistics import pearson, spearman
from subtheory.statistics.correlations import ranks
from subtheory.study.forecast.results import BASELINES

RNG = np.random.default_rng(0)
PARAMS = {"body": {"W": RNG.normal(size=(3, 4))}, "head": RNG.normal(size=(4, 3))}
TEACHER = jax.tree.map(lambda leaf: leaf + 0.05 * RNG.normal(size=leaf.shape), PARAMS)
STUDENT = jax.tree.map(lambda leaf: leaf + 0.05 * RNG.normal(size=leaf.shape), PARAMS)
X, Y = RNG.normal(size=(12, 3)), RNG.integers(0, 3, 12)
TRAIT = RNG.normal(size=(5, 3)), RNG.integers(0, 3, 5)


def apply(params, x):
    return jnp.tanh(x @ params["body"]["W"]) @ params["head"]


def log_p(params, x, y):
    z = np.tanh(x @ params["body"]["W"]) @ params["head"]
    z = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    return z[np.arange(len(y)), y]


def made(**changed):
    given = {"teacher": TEACHER, "data": {"x": X, "y": Y}, "trait": TRAIT, "draws": 4}
    return st.forecast(apply, PARAMS, **given | changed)


@pytest.fixture(scope="module")
def found():
    return made(student=STUDENT, control={"x": X[:7], "y": Y[5:]}, rate=0.5)


def column(found, name):
    return np.array([row[name] for row in found.rows])


def test_rows_are_log_ratios_along_the_update_and_readouts_slopes_of_the_trait(found):
    h = 1e-6
    moved = [jax.tree.map(lambda a, b, s=s: a + s * h * (b - a), PARAMS, TEACHER) for s in (1, -1)]
    slope = (log_p(moved[0], X, Y) - log_p(moved[1], X, Y)) / (2 * h)
    np.testing.assert_allclose(column(found, "score"), slope, atol=1e-8)
    np.testing.assert_allclose(column(found, "share"), slope / 12, atol=1e-9)
    np.testing.assert_allclose(column(found, "difficulty"), -log_p(PARAMS, X, Y), atol=1e-12)
    np.testing.assert_allclose(column(found, "oracle"), log_p(TEACHER, X, Y) - log_p(PARAMS, X, Y), atol=1e-12)
    np.testing.assert_allclose(column(found, "student"), log_p(STUDENT, X, Y) - log_p(PARAMS, X, Y), atol=1e-12)
    # α∇L_T · g_i/n: what L_T changes by when θ0 moves along the row's gradient.
    one = made(data={"x": X[3:4], "y": Y[3:4]}, rate=1e-6)
    with st.float64():
        step = jax.grad(lambda p: jax.nn.log_softmax(apply(p, X[3]))[Y[3]])(PARAMS)
    after = jax.tree.map(lambda a, g: a + 1e-6 * np.asarray(g), PARAMS, step)
    change = np.mean(log_p(PARAMS, *TRAIT)) - np.mean(log_p(after, *TRAIT))
    assert one.rows[0]["readout"] == pytest.approx(change, rel=1e-4)
    square = sum(float(np.sum(np.square(g))) for g in jax.tree.leaves(step))
    assert column(found, "gradient_norm")[3] ** 2 == pytest.approx(square, rel=1e-9)


def test_totals_are_sums_with_their_intervals_and_the_control_is_subtracted(found):
    s, s0, total = column(found, "score"), np.array(found.control), found.totals
    assert total["alignment"] == pytest.approx(s.mean()) and found.ok
    assert total["added_alignment"] == pytest.approx(s.mean() - s0.mean())
    half = [t.ppf(0.975, len(v) - 1) * np.std(v, ddof=1) / np.sqrt(len(v)) for v in (s, s0)]
    assert total["alignment_high"] - total["added_alignment"] == pytest.approx(np.hypot(*half))
    assert total["kl"] == pytest.approx(column(found, "information").sum() / 2)
    assert total["kl_exact"] == pytest.approx(total["kl"], rel=0.1)
    assert total["readout"] == pytest.approx(column(found, "readout").sum())
    assert made().totals["added_alignment"] == pytest.approx(s.mean())
    with st.float64():
        step = jax.grad(lambda p: jnp.mean(jax.nn.log_softmax(jax.vmap(apply, (None, 0))(p, X))[jnp.arange(12), Y]))(
            PARAMS
        )
    delta = jax.tree.map(lambda a, b: b - a, PARAMS, TEACHER)
    real = sum(np.sum(np.asarray(a) * b) for a, b in zip(*map(jax.tree.leaves, (step, delta)), strict=True))
    assert total["step"] == pytest.approx(real, rel=1e-10)


def test_a_sum_that_misses_the_step_is_not_ok(found):
    assert not replace(found, totals=found.totals | {"adds_up": 1.5}).ok


def test_no_score_of_rows_without_its_baselines(found):
    assert all(name in row for row in found.rows for name in BASELINES)
    assert [row["scores"] for row in found.audit] == [
        "forecast", "student, predicted", "student", "difficulty", "gradient norm", "null"
    ]  # fmt: skip
    with pytest.raises(InputError, match="rows: must be a list of rows, at least one"):
        replace(found, rows=[])
    for name in BASELINES:
        without = [{k: v for k, v in row.items() if k != name} for row in found.rows]
        with pytest.raises(InputError, match=f"rows: must have the baselines .*, got no {name}"):
            replace(found, rows=without)
    for i in (3, 4, 5):
        with pytest.raises(InputError, match=f"got no {found.audit[i]['scores']}"):
            replace(found, audit=[row for j, row in enumerate(found.audit) if j != i])


def test_the_audit_is_correlations_and_what_a_tenth_carries(found):
    by = {row["scores"]: row for row in found.audit}
    oracle, own = column(found, "oracle"), column(found, "student")
    assert by["student"]["pearson"] == pytest.approx(pearsonr(own, oracle)[0])
    assert by["student"]["spearman"] == pytest.approx(spearmanr(own, oracle)[0])
    first = int(np.argmax(column(found, "difficulty")))
    assert by["difficulty"]["first_tenth"] == pytest.approx(found.rows[first]["share"])
    assert by["forecast"]["spearman"] > 0.9 and 0 < by["null"]["pearson"] < 1


def test_correlations_share_the_ranks_of_ties():
    a, b = np.array([1.0, 2, 2, 3, 0]), np.array([2.0, 1, 5, 5, 5])
    assert spearman(a, b) == pytest.approx(spearmanr(a, b)[0]) and np.isnan(pearson(a, 0 * a))
    np.testing.assert_array_equal(ranks(a), [2, 3.5, 3.5, 5, 1])
    with pytest.raises(InputError, match="b: must be a list as long as the other"):
        pearson(a, b[:2])


def test_files_say_what_arrays_say(found, tmp_path):
    np.savez(tmp_path / "teacher.npz", **st.named_arrays(TEACHER))
    np.savez(tmp_path / "rows.npz", x=X, y=Y)
    assert made(teacher=str(tmp_path / "teacher.npz"), data=tmp_path / "rows.npz") == made()
    found.save(tmp_path / "found.json")
    again = st.load(tmp_path / "found.json")
    assert again == found and hash(again) == hash(found) and len(again) == 12
    assert "alignment" in again.summary() and "<table>" in again._repr_html_()
    assert again.to_dict()["ok"] and again.plot().get_xlabel() == "rows"


class Causal(nn.Module):
    """Two tokens in, logits of the next at every position."""

    @nn.compact
    def __call__(self, x):
        h = jnp.tanh(nn.Embed(5, 4)(x))
        return nn.Dense(5)(jnp.cumsum(h, axis=0))


def test_texts_are_read_for_their_next_tokens_and_a_mask_leaves_some_out():
    net, tokens = Causal(), np.random.default_rng(1).integers(0, 5, (6, 4)).astype(np.int32)
    base = net.init(jax.random.key(0), tokens[0])["params"]
    teacher = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64) * 1.05, base)
    mask = np.ones((6, 4))
    mask[:, :2] = 0
    text = st.forecast(net, base, teacher=teacher, data={"tokens": tokens, "mask": mask}, trait=lambda p: jnp.sum(
        p["Dense_0"]["bias"] ** 2 + p["Dense_0"]["bias"]), draws=2)  # fmt: skip
    y, own = np.roll(tokens, -1, axis=1), np.zeros((6, 4))
    own[:, 1:3] = 1
    pair = st.forecast(net, base, teacher=teacher, data={"x": tokens, "y": y, "mask": own}, trait=lambda p: jnp.sum(
        p["Dense_0"]["bias"]), draws=2)  # fmt: skip
    np.testing.assert_allclose(column(text, "score"), column(pair, "score"))
    assert text.totals["labels"] == 12 and column(text, "labels").tolist() == [2.0] * 6
    assert "upcast" in text.messages[0]


def test_leaves_have_names_and_are_numbers():
    found = st.named_arrays({"a": [jnp.ones(2, jnp.bfloat16), 1.0], "b": {"c": np.zeros(3)}})
    assert {name: leaf.dtype.kind for name, leaf in found.items()} == {"a/0": "f", "a/1": "f", "b/c": "f"}
    assert list(st.named_arrays(np.zeros(2))) == ["params"]
    with pytest.raises(InputError, match="params: must be arrays of numbers"):
        st.named_arrays({"a": "word"})


NAN = jax.tree.map(np.array, TEACHER)
NAN["head"][0, 0] = np.nan
LARGE = {**PARAMS, "head": 1.5e308 * np.sign(PARAMS["head"])}

BAD = [
    ({"teacher": PARAMS}, "teacher: must have moved away from them, got the model's own parameters"),
    ({"student": PARAMS}, "student: must have moved away"),
    ({"teacher": {"head": PARAMS["head"]}}, "teacher: must be like the model's parameters"),
    ({"teacher": NAN}, "teacher: must be finite"),
    ({"student": LARGE}, "student: must have finite outputs on every row, got outputs of "),
    ({"teacher": "no.npz"}, "teacher: must be an .npz file of arrays (No such file"),
    ({"teacher": {**PARAMS, "head": PARAMS["head"] + 1.0}}, "teacher: must change what the model says of some row"),
    (
        {"data": {"x": X, "labels": Y}},
        "and at most a mask beside them, got x, labels",
    ),
    ({"data": X}, "data: must be arrays by name"),
    ({"data": {"x": X, "y": Y[:3]}}, "data.y: must be 12, one for each input, got 3 rows of labels"),
    ({"data": {"x": X, "y": Y + 1.5}}, "data.y: must be whole numbers, got float64 numbers"),
    ({"data": {"x": X, "y": Y + 3}}, "data.y: must lie in 0 ... 2"),
    ({"data": {"x": X, "y": np.stack([Y, Y], 1)}}, "data.y: must have shape (12,), got labels of shape (12, 2)"),
    ({"data": {"x": X * np.inf, "y": Y}}, "data.x: must be finite"),
    ({"data": {"x": X, "y": Y, "mask": 0 * Y}}, "data.mask: must be 0 or 1, of shape (12,), and 1 somewhere"),
    ({"data": {"tokens": X}}, "data.tokens: must be whole numbers"),
    ({"control": {"x": X[:, :2], "y": Y}}, "control.x: must have shape (3,), got inputs of shape (2,)"),
    ({"outputs": (0, 1)}, "data.y: must be one of the distilled outputs, got 2"),
    ({"rate": 0}, "rate: must be a finite number other than 0"),
    ({"draws": 0}, "draws: must be at least 1"),
]


@pytest.mark.parametrize(("changed", "words"), BAD, ids=[words[:30] for _, words in BAD])
def test_what_does_not_fit_is_one_line(changed, words):
    with pytest.raises(InputError) as error:
        made(**changed)
    assert words in str(error.value) and "\n" not in str(error.value)
