"""`ablate` on a network of one's own: the experiment's rows and findings, what is skipped, the result as a thing."""

import jax.numpy as jnp
import numpy as np
import pytest

import subtheory as st
from subtheory.init import PATHS, Place, Units
from subtheory.study import own
from subtheory.study.ablation import ablate as walk

RNG = np.random.default_rng(5)
X, LABELS = RNG.standard_normal((12, 3)), np.arange(12) % 4
PARAMS = {"W": RNG.standard_normal((3, 6)), "V": RNG.standard_normal((6, 4))}
HIDDEN = Units("hidden", 6, (Place(("W",), 1),), (Place(("V",), 0),), "tanh")


def apply(params, x):
    return jnp.tanh(x @ params["W"]) @ params["V"]


def ablate(model=apply, params=PARAMS, **changes):
    given = {"trait": (X, LABELS), "channel": X, "path": ["linear", "permutation", "null-noise"], "amounts": (0, 0.5)}
    return st.ablate(model, params, **given | {"seeds": 2, "seed": 3, "examples": 3, "units": [HIDDEN]} | changes)


@pytest.fixture(scope="module")
def found():
    return ablate()


def test_rows_are_those_of_the_experiments_own_walk(found):
    assert list(dict.fromkeys(row["path"] for row in found.rows)) == ["linear", "permutation", "null-noise"]
    assert [(row["seed"], row["amount"]) for row in found.rows[:4]] == [(3, 0.0), (4, 0.0), (3, 0.5), (4, 0.5)]
    permuted = [row for row in found.rows if row["path"] == "permutation" and row["amount"]]
    assert all(row["distance"] > 0.1 and row["matched_distance"] < 1e-12 > row["channel_distance"] for row in permuted)
    assert all(row["relative_added_trait_change"] == pytest.approx(1, rel=1e-9) for row in permuted)
    setting = own.prepared(
        apply, PARAMS, trait=(X, LABELS), channel=X, losses=[st.SquaredError()], outputs="all", eps=(1e-3,),
        seeds=(3, 4), init=None, examples=3, units=[HIDDEN],
    ).settings[0]  # fmt: skip
    direct = walk(PATHS["linear"], setting, (0, 0.5), (3, 4)).rows
    assert [row["alignment"] for row in found.rows[:4]] == [row["alignment"] for row in direct]


def test_findings_are_the_experiments_and_can_fail(found):
    assert found.ok and len(found.findings) > 3 and "as predicted" in repr(found)
    spoilt = own.Ablations([row | {"added_alignment": 1.01 * row["added_alignment"]} for row in found.rows])
    assert not spoilt.ok and not own.Ablations(found.rows[:0] or [found.rows[0] | {"unit": np.nan}]).ok


@pytest.mark.parametrize(
    ("changes", "path", "why"),
    [
        ({"examples": 12}, "null-noise", "must leave a direction that the channel does not see"),
        ({"path": ["noise", "head-permutation"]}, "head-permutation", "units: must have units"),
        ({"trait": lambda p: jnp.sum(p["W"] ** 2), "path": ["noise", "fork"]}, "fork", "trait: must be a mean over"),
    ],
)
def test_what_does_not_fit_is_skipped_by_name_with_the_reason(changes, path, why):
    found = ablate(seeds=1, **changes)
    assert [row["path"] for row in found.skipped] == [path] and why in found.skipped[0]["why"]
    assert (
        f"skipped: {path}: " in found.summary() and path in found._repr_html_() and np.isfinite(found.rows[-1]["error"])
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"path": "permutaton"}, "path: unknown, did you mean 'permutation'"),
        ({"path": []}, "path: must be a name"),
        ({"path": "head-permutation"}, "path: must fit apply"),
        ({"path": "null-noise", "examples": 12}, "path: must fit the network .*rank 42 of 42"),
        ({"amounts": 2.0}, "amounts: must lie in 0 ... 1, got 2.0 for linear"),
        ({"amounts": ["a"]}, "amounts: must be numbers"),
        ({"eps": 0}, "eps: must be a positive number"),
        ({"loss": "l1"}, "loss: must have an alignment of order"),
        ({"trait": (X, LABELS[:3])}, "trait: needs 12 integer labels"),
    ],
)
def test_bad_inputs_are_refused_by_field_and_value(changes, words):
    with pytest.raises(st.InputError, match=words) as refused:
        ablate(**changes)
    assert "\n" not in str(refused.value)


def test_a_result_reads_back_equal_and_a_damaged_one_is_refused(found, tmp_path):
    again = st.load(found.save(tmp_path / "a.json"))
    assert again == found and again.means == found.means and again.ok and again.to_dict() == found.to_dict()
    assert again != own.Ablations(found.rows[1:], found.skipped, found.messages, found.provenance)
    text = (tmp_path / "a.json").read_text("utf-8")
    (tmp_path / "a.json").write_text(text.replace('"amount": 0.5', '"amount": 0.4', 1), "utf-8")
    with pytest.raises(st.DataError, match="corrupt"):
        st.load(tmp_path / "a.json")


def test_a_picture_has_a_line_a_path(found):
    from matplotlib.figure import Figure

    mine = Figure().subplots()
    assert found.plot(ax=mine) is mine
    assert [text.get_text() for text in mine.get_legend().get_texts()] == ["linear", "permutation", "null-noise"]
