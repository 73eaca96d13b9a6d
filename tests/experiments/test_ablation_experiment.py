"""The experiment of the ablation: a sweep, its findings and its figures."""

from dataclasses import replace

import numpy as np
import pytest
from ablated import SEEDS, SETTING, ablated
from shapes import SMOOTH

from subtheory import figure, init, records
from subtheory.data.channels import Blank
from subtheory.init import PATHS
from subtheory.networks import NETWORKS, Linear
from subtheory.study import experiment, walks
from subtheory.study.ablation import CROSSED, ELSEWHERE, LIMITS, ablate

SWEEP = {"path": "spherical,permutation,head-permutation,width", "network": "mlp,linear", "amounts": "0,0.7"}
"""Paths of which two do not fit one of the networks, and one fits none."""


@pytest.fixture(scope="module")
def tiny_networks():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(NETWORKS, "mlp", SMOOTH)
        patch.setitem(NETWORKS, "linear", Linear())
        yield


@pytest.fixture(scope="module")
def asked():
    return experiment.experiments()["ablation"]


@pytest.fixture(scope="module")
def swept(asked, tiny_networks):
    return asked.tables(replace(asked.plan(), seeds=SEEDS, **SWEEP))


def test_a_sweep_is_one_table_and_names_what_it_skips(swept):
    rows, key = swept["rows"], ["path", "network", "loss", "seed", "amount"]
    assert all(list(row)[:5] == key for row in rows) and next(iter(swept)) == "means"
    combinations = {(row["path"], row["network"]) for row in rows}
    assert combinations == {("spherical", "mlp"), ("permutation", "mlp"), ("width", "mlp"), ("spherical", "linear")}
    skipped = {(row["path"], row["network"]): row["why"] for row in swept["skipped"]}
    assert set(skipped) == {
        ("head-permutation", "mlp"), ("permutation", "linear"), ("head-permutation", "linear"), ("width", "linear"),
    }  # fmt: skip
    assert "units" in skipped["head-permutation", "mlp"] and skipped["width", "linear"].startswith("there is no linear")
    own = [row for row in rows if (row["path"], row["network"]) == ("spherical", "mlp")]
    assert [{k: v for k, v in row.items() if k not in key[:3]} for row in own] == ablated("spherical").rows
    means = [mean for mean in swept["means"] if (mean["path"], mean["network"]) == ("spherical", "mlp")]
    assert [{k: v for k, v in mean.items() if k not in key[:3]} for mean in means] == ablated("spherical").means()
    assert [mean["amount"] for mean in swept["means"] if mean["path"] == "width"] == [1.0], "there is only far"
    columns = [records.columns(rows) for rows in swept.values()]
    assert all(records.rows(each) for each in columns)


def test_without_misfits_there_is_no_such_table_and_all_are_those_that_fit(asked, tiny_networks):
    plan = replace(asked.plan(), network="mlp,linear", loss="kl,squared-error", outputs="all")
    settings = asked.module.settings_of(plan)
    jobs, skipped = walks.planned(settings, ["all"], None)
    assert len(settings) == 4 and not skipped
    found = {name: {job.name for job in jobs if job.setting.network.name == name} for name in ("mlp", "linear")}
    assert found["mlp"] >= {"noise", "permutation", "width", "fork"} and "permutation" not in found["linear"]
    assert {job.setting.loss.name for job in jobs} == {"kl", "squared-error"} and len(jobs) % 2 == 0
    assert set(ELSEWHERE) == {name for network in NETWORKS.values() for name in init.others(network)}


def test_findings_come_out_and_fail_on_what_is_wrong(asked, swept):
    def judged(**changed):
        rows = [{k: changed[k](v) if k in changed else v for k, v in row.items()} for row in swept["rows"]]
        return [one.ok for one in asked.findings({**swept, "rows": rows}) if one.claimed]

    assert judged() == [True] * 4
    assert any(not one.claimed and "raw" in one.says for one in asked.findings(swept))
    planted = lambda value: 1.01 * value  # noqa: E731
    assert judged(predicted_alignment=planted, predicted_trait_change=planted) == [False, True, True, True]
    assert judged(relative_added_alignment=lambda v: v * (1 + 1e-6)) == [True, False, True, True]
    assert judged(relative_added_trait_change=lambda v: v * (1 + 1e-7)) == [True, True, False, True]
    controlled = [{**row, "alignment": row["added_alignment"]} for row in swept["rows"]]
    assert [one.ok for one in asked.findings({**swept, "rows": controlled}) if one.claimed] == [True, True, True, False]
    for name, wanted in {
        "added_alignment": [False, False, True, True], "predicted_alignment": [False, True, True, False],
        "curvature": [False, True, True, False], "relative_added_alignment": [True, False, True, True],
        "relative_added_trait_change": [True, True, False, True], "alignment": [True, True, True, False],
    }.items():  # fmt: skip
        assert judged(**{name: lambda _: np.nan}) == wanted, name


def test_what_has_nothing_to_judge_says_nothing(asked, swept):
    """Another architecture has no alignment; a channel that sees nothing of a student lets nothing through."""
    rows = [row for row in swept["rows"] if row["path"] == "width"]
    assert not any(one.claimed for one in asked.findings({"rows": rows}))
    nothing = dict.fromkeys((*CROSSED, *LIMITS), 0.0) | {f"relative_{name}": np.nan for name in CROSSED}
    rows = [{**row, **nothing} for row in swept["rows"] if row["path"] == "spherical"]
    assert [(one.found, one.ok) for one in asked.findings({"rows": rows}) if one.claimed] == [(0.0, True)]
    rows = [{**row, "added_alignment": 1e-9} for row in rows]
    assert not asked.findings({"rows": rows})[0].ok, "where theory lets nothing through, something is wrong"


@pytest.mark.parametrize("amount", ["large", "zero"])
def test_other_channels_divide_nothing_by_nothing(amount):
    """Warnings are errors."""
    size = 2.0 if amount == "large" else 0.0
    result = ablate(PATHS["noise"], SETTING.but(channel=Blank(), outputs="all"), (size,), 1)
    assert np.isnan(result.rows[0]["cka"]) and np.isfinite(result.rows[0]["error"])


def test_figures_of_one_of_several_and_of_many(asked, swept):
    saved = {title: records.rows(records.columns(rows)) for title, rows in swept.items()}
    drawn = asked.module.figure(saved)
    assert figure.drawn(drawn, "svg") and [text.get_text() for text in drawn.legends[0].get_texts()] == [
        "spherical, mlp", "permutation, mlp", "width, mlp", "spherical, linear"
    ]  # fmt: skip
    one = {t: [row for row in saved[t] if (row["path"], row["network"]) == ("width", "mlp")] for t in ("means", "rows")}
    assert b"undefined" in figure.drawn(asked.module.figure(one), "svg")
    many = {t: [{**row, "loss": f"{i}"} for i in range(2) for row in saved[t]] for t in ("means", "rows")}
    assert "6 combinations of 8: the table has 2 more" in asked.module.figure(many).get_suptitle()
    assert figure.drawn(asked.module.figure(many), "svg")
