"""The ablation of the init: rows against dense computation, the experiment, its command, and `init_paths`."""

import json
from dataclasses import replace
from functools import cache

import jax
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree
from scipy.stats import t as student_t
from shapes import SMOOTH

import subtheory as st
from subtheory import figure, init, records
from subtheory.cli import main
from subtheory.data.channels import Blank
from subtheory.errors import InputError
from subtheory.init import PATHS, Another, measures, symmetry
from subtheory.instruments.two_inits import TwoInits
from subtheory.networks import MLP, NETWORKS, Linear, Transformer
from subtheory.numerics import ROUNDINGS, UNIT, float64
from subtheory.setting.preparation import stack
from subtheory.setting.setting import Setting
from subtheory.setting.student import Along, Elsewhere
from subtheory.study import ablation, experiment
from subtheory.study.ablation import CROSSED, ELSEWHERE, LIKENESS, LIMITS, Ablation, ablate, known_paths, matched
from subtheory.theory.distillation import at_rest, student_update, trait_loss
from subtheory.theory.losses import Quartic, SquaredError
from subtheory.traces import TRACES

SETTING = Setting(SMOOTH, outputs="aux")
SEEDS = 2
AMOUNTS = (0.0, 0.7)
"""Compiled once for all: the kernels of one tiny network."""


@pytest.fixture(scope="module")
def spherical():
    return ablate(PATHS["spherical"], SETTING, AMOUNTS, SEEDS)


@pytest.fixture(scope="module")
def permuted():
    return ablate(PATHS["permutation"], SETTING, AMOUNTS, SEEDS)


@cache
def distilled(name, amount, seed):
    """What `Setting` itself makes of a path: one distillation as pytrees."""
    return SETTING.but(eps=(ablation.SIZE,), init=Along(PATHS[name], amount)).distillation(seed)


def row_of(result, amount, seed):
    (row,) = [row for row in result.rows if (row["amount"], row["seed"]) == (amount, seed)]
    return row


def test_rows_are_what_dense_algebra_says(spherical):
    """All but matching and CKA from a Jacobian matrix and plain gradients; M = 2w of squared error."""
    seed, eps = 1, ablation.SIZE
    row = row_of(spherical, 0.7, seed)
    d = distilled("spherical", 0.7, seed)
    with float64():
        start, unravel = ravel_pytree(d.theta0)
        student, delta = ravel_pytree(d.student)[0], ravel_pytree(d.delta)[0]
        f = jax.jit(lambda theta: jax.vmap(lambda x: SMOOTH.apply(unravel(theta), x))(d.x))
        jacobian = jax.jit(jax.jacrev(f))
        J_T, J_S = jacobian(start), jacobian(student)
        trait = jax.jit(jax.value_and_grad(lambda theta: d.trait.loss(SMOOTH.apply, unravel(theta))))
        on_trait = jax.vmap(lambda x, theta: SMOOTH.apply(unravel(theta), x), (0, None))
        w, size, n = d.outputs, float(d.eps[0]), len(d.x)

        def step(at, J, moved):
            return -np.einsum("nvp,v,nv->p", J, w, 2 * (f(at) - f(start + moved * delta))) / n

        u_T, u_S = J_T @ delta, J_S @ delta
        along = lambda t: jax.jvp(lambda s: f(start + s * delta), (t,), (1.0,))[1]  # noqa: E731
        v_T = jax.jvp(along, (0.0,), (1.0,))[1]
        length = lambda a: np.linalg.norm(a, axis=-1)  # noqa: E731
        update, control = step(student, J_S, size), step(student, J_S, 0.0)
        crossing = np.einsum("nvp,v,nv->p", J_S, 2 * w, u_T) / n
        GD = np.einsum("nvp,v,nv->p", J_T, 2 * w, u_T) / n
        alpha = GD @ delta / (GD @ GD)
        end = student + alpha * control
        rows = {name: np.asarray(J)[:, w > 0].reshape(-1, J.shape[-1]) for name, J in (("T", J_T), ("S", J_S))}
        kernels = [rows[k] @ rows[k].T for k in "TS"]
        trait_T, trait_S = (
            np.asarray(on_trait(d.trait.x, theta))[:, d.trait.outputs > 0] for theta in (start, student)
        )
        first, second = (np.asarray(f(theta))[:, w > 0] for theta in (start, student))
        wanted = {
            "distance": np.linalg.norm(student - start) / np.linalg.norm(start),
            "channel_distance": np.linalg.norm(second - first) / np.linalg.norm(first),
            "trait_distance": np.linalg.norm(trait_S - trait_T) / np.linalg.norm(trait_T),
            "ntk_overlap": np.sum(kernels[0] * kernels[1]) / np.prod([np.linalg.norm(K) for K in kernels]),
            "cross_ntk_overlap": np.sum(rows["T"] * rows["S"]) / np.prod([np.linalg.norm(r) for r in rows.values()]),
            "alignment": update @ delta,
            "approach": update @ (start + size * delta - student),
            "added_alignment": (update - control) @ delta,
            "predicted_alignment": size * np.sum(w * 2 * u_S * u_T) / n,
            "trait_change": trait(student + alpha * update)[0] - trait(student)[0],
            "added_trait_change": trait(student + alpha * update)[0] - trait(end)[0],
            "predicted_trait_change": alpha * size * trait(end)[1] @ crossing,
            "unit": size * np.sum(length(u_S) * length(2 * w * u_T)) / n,
            "curvature": size**2 / 2 * np.sum(u_S * 2 * w * v_T) / n,
        }
        start_loss = float(trait(student)[0])
    for name, value in wanted.items():
        # Differences of O(1) numbers, over a teacher's update of 1e-3.
        assert row[name] == pytest.approx(float(value), rel=1e-9), name
    assert row["cka"] == pytest.approx(measures.cka(first, second), rel=1e-9)
    assert 0 < row["error"] < 10 * eps and row["eps"] == eps
    assert 0 < row["rounding"] < 1e-6 * row["unit"]
    # Two values of L_T and nothing else, where that is next to nothing.
    assert 1 < row["trait_rounding"] / (ROUNDINGS * UNIT * (1 + start_loss)) < 2
    assert 0 < row["matched_distance"] <= row["distance"]


def test_tangent_kernels_are_those_of_the_measures(spherical):
    d = distilled("spherical", 0.7, 0)
    row = row_of(spherical, 0.7, 0)
    for name in "ntk_overlap", "cross_ntk_overlap":
        found = getattr(measures, name)(SMOOTH, d.theta0, d.student, d.x, d.outputs)
        assert row[name] == pytest.approx(found, rel=1e-10)


def test_relative_columns_are_one_at_the_shared_init(spherical):
    for row in spherical.rows:
        relative = [f"relative_{name}" for name in CROSSED]
        assert list(row) == ["amount", "seed", *LIKENESS, *CROSSED, *relative, "eps", *LIMITS]
        if row["amount"] == 0:
            assert all(row[f"relative_{name}"] == pytest.approx(1, abs=1e-9) for name in CROSSED)
            assert row["distance"] == row["matched_distance"] == row["channel_distance"] == 0
        else:
            ratio = row["added_alignment"] / row_of(spherical, 0.0, row["seed"])["added_alignment"]
            assert row["relative_added_alignment"] == ratio != pytest.approx(1, abs=0.05)


def test_permuted_units_are_matched_and_pass_the_trait_on(permuted, spherical):
    for seed in range(SEEDS):
        row = row_of(permuted, 0.7, seed)
        assert row["distance"] > 0.1 and row["matched_distance"] < 1e-15
        assert row["channel_distance"] < 1e-14 and row["ntk_overlap"] == pytest.approx(1, abs=1e-12)
        assert row["relative_added_trait_change"] == pytest.approx(1, abs=1e-10)
        assert abs(row["relative_added_alignment"] - 1) > 0.01
        # Another init is none of this.
        far = row_of(spherical, 0.7, seed)
        assert far["matched_distance"] > 0.1 and abs(far["relative_added_trait_change"] - 1) > 0.01


def test_heads_are_matched_and_gains_are_not():
    """Renaming the gains of a LayerNorm alone changes the function: it must not count as near."""
    network, rng = Transformer(width=4), np.random.default_rng(0)
    with float64():
        shapes = jax.eval_shape(network.init, jax.random.key(0))
    theta0 = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape), shapes)
    known = init.units(network, theta0)
    heads, gains = (next(u for u in known if u.kind == kind) for kind in ("heads", "gain"))
    for group, alike in (heads, True), (gains, False):
        turn = symmetry.Turn(np.roll(np.arange(group.size), 1), np.ones(group.size))
        turned = symmetry.act((group,), (turn,), theta0)
        assert measures.distance(theta0, turned) > 0.1
        assert measures.matched_distance(theta0, turned, [[*group.incoming, *group.outgoing]]) < 1e-15
        assert (matched(network, theta0, turned) < 1e-15) is alike


@pytest.mark.parametrize("name", ["partial-reinit", "fork"])
def test_inits_are_those_of_a_setting(name):
    """Also where the teacher moves: the shared init of a fork is the teacher's at its end."""
    result = ablate(PATHS[name], SETTING, AMOUNTS, SEEDS)
    for seed in range(SEEDS):
        d, row = distilled(name, AMOUNTS[1], seed), row_of(result, AMOUNTS[1], seed)
        assert row["distance"] == pytest.approx(measures.distance(d.theta0, d.student), rel=1e-12)
        assert row["alignment"] == pytest.approx(st.alignment(d)[0], rel=1e-9)
        own = st.alignment(replace(d, student=d.theta0))[0]
        assert row["alignment"] / row["relative_alignment"] == pytest.approx(own, rel=1e-9)


def test_another_architecture_compares_functions_only():
    """Of the same shape, it is a student at that init; nothing of its parameters is said."""
    result = ablate(Another(SMOOTH), SETTING, seeds=SEEDS)
    s = stack(SETTING.but(eps=(ablation.SIZE,), init=Elsewhere(SMOOTH)), tuple(range(SEEDS)))
    found = TwoInits().record(replace(s, other=None), (SquaredError(),), s.x)
    crossings = TwoInits().read(found, (SquaredError(),))["squared-error"]
    for row, c in zip(result.rows, crossings, strict=True):
        wanted = ablation.crossed(c)
        for name in "trait_change", "added_trait_change", "predicted_trait_change":
            assert row[name] == pytest.approx(wanted[name], rel=1e-6)
        assert all(np.isnan(row[name]) for name in ("distance", "matched_distance", "alignment", "approach", "error"))
        assert row["channel_distance"] > 0.1 and 0 < row["ntk_overlap"] < 1 and np.isnan(row["cross_ntk_overlap"])


def test_another_architecture_of_other_shapes():
    """Its outputs, tangent kernel and trait are its own; only rows of the shared init divide."""
    other = MLP(width=3)
    (row, _) = ablate(Another(other), SETTING, seeds=SEEDS).rows
    s = stack(SETTING.but(eps=(ablation.SIZE,), init=Elsewhere(other)), (0,))
    student, theta0 = s.students.layout.unflatten(s.student[0]), s.functions.layout.unflatten(s.theta0[0])
    for name in "functional_distance", "ntk_overlap":
        found = getattr(measures, name)(SMOOTH, theta0, student, s.x[0], s.outputs, other)
        assert row["channel_distance" if name == "functional_distance" else name] == pytest.approx(found, rel=1e-10)
    assert np.isfinite(row["relative_added_trait_change"])
    assert row["added_trait_change"] == pytest.approx(row["predicted_trait_change"], rel=0.1)
    with pytest.raises(InputError) as caught:
        ablate(Another(Transformer(width=4)), SETTING, seeds=SEEDS)
    assert caught.value.field == "network"


def test_paths_and_amounts_compile_nothing_more(spherical, permuted):
    before = dict(TRACES)
    ablate(PATHS["linear"], SETTING, (0.0, 0.3, 1.0), 1)
    assert dict(TRACES) == before


def test_means_have_the_interval_of_student():
    rows = [
        {"amount": 0.5, "seed": s, "error": v, **dict.fromkeys([*LIKENESS, *CROSSED], v)}
        | {f"relative_{name}": v for name in CROSSED}
        for s, v in enumerate((1.0, 2.0, 6.0))
    ]
    (mean,) = Ablation(PATHS["noise"], SETTING, rows).means()
    low, high = student_t.interval(0.95, 2, 3.0, np.std([1, 2, 6], ddof=1) / np.sqrt(3))
    assert mean["distance"] == 3 and mean["error"] == 6
    assert mean["distance_half"] == pytest.approx((high - low) / 2)
    assert np.isnan(Ablation(PATHS["noise"], SETTING, rows[:1]).means()[0]["distance_half"])


@pytest.mark.parametrize(
    ("field", "call"),
    [
        ("seeds", lambda: ablate(PATHS["noise"], SETTING, seeds=0)),
        ("amounts", lambda: ablate(PATHS["noise"], SETTING, ())),
        ("amount", lambda: ablate(PATHS["linear"], SETTING, (1.5,))),
        ("eps", lambda: ablate(PATHS["linear"], SETTING, size=0.0)),
        ("loss", lambda: ablate(PATHS["noise"], SETTING.but(loss=Quartic()))),
        ("teacher", lambda: ablate(PATHS["noise"], SETTING.but(teacher="invisible"))),
    ],
)
def test_bad_input_is_named(field, call):
    with pytest.raises(InputError) as caught:
        call()
    assert caught.value.field == field


# --- the experiment

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


def test_a_sweep_is_one_table_and_names_what_it_skips(swept, spherical):
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
    assert [{k: v for k, v in row.items() if k not in key[:3]} for row in own] == spherical.rows
    means = [mean for mean in swept["means"] if (mean["path"], mean["network"]) == ("spherical", "mlp")]
    assert [{k: v for k, v in mean.items() if k not in key[:3]} for mean in means] == spherical.means()
    assert [mean["amount"] for mean in swept["means"] if mean["path"] == "width"] == [1.0], "there is only far"
    columns = [records.columns(rows) for rows in swept.values()]
    assert all(records.rows(each) for each in columns)


def test_without_misfits_there_is_no_such_table_and_all_are_those_that_fit(asked, tiny_networks):
    plan = replace(asked.plan(), network="mlp,linear", loss="kl,squared-error", outputs="all")
    settings = asked.module.settings_of(plan)
    jobs, skipped = asked.module.planned(settings, ["all"], None)
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


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setitem(NETWORKS, "mlp", SMOOTH)
    monkeypatch.setitem(NETWORKS, "linear", Linear())


def computed(monkeypatch):
    """The paths that any run computes from now on."""
    calls, real = [], ablation.ablate
    monkeypatch.setattr(
        ablation, "ablate", lambda path, *rest: (calls.append(path.name), real(path, *rest))[1]
    )  # what a run loads anew
    return calls


def test_a_sweep_that_was_killed_goes_on(tiny, tmp_path, monkeypatch):
    given = {"path": "spherical,permutation", "amounts": "0,0.7", "seeds": SEEDS}
    whole = experiment.run("ablation", tmp_path / "whole", given=given)
    assert whole.ok
    calls = computed(monkeypatch)

    def stop(done, total, what):
        assert total == 4 and what.endswith("mlp squared-error")
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        experiment.run("ablation", tmp_path / "killed", progress=stop, given=given)
    experiment.run("ablation", tmp_path / "killed", given=given)
    assert calls == ["spherical", "permutation", "permutation"] and not list(tmp_path.rglob("parts"))
    for file in whole.files:
        assert (tmp_path / "killed" / file.relative_to(tmp_path / "whole")).read_bytes() == file.read_bytes()


# --- the command


RUN = ["ablate", "init", "--seeds", str(SEEDS), "--amounts", "0,0.7", "--no-cache"]


def test_command_runs_the_experiment_and_takes_its_tables_again(tiny, tmp_path, monkeypatch, capsys):
    words = [*RUN, "--path", "spherical", "--network", "mlp", "--out", str(tmp_path), "--json"]
    assert main(words) == 0
    found = json.loads(capsys.readouterr().out)
    folder = tmp_path / "ablation" / f"path=spherical,amounts=0,0.7,seeds={SEEDS}"
    written = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert written == {
        *(f"tables/{name}" for name in ("rows.csv", "means.csv", "findings.csv", "record.json", "record.npz")),
        *(f"figures/ablation.{ending}" for ending in ("pdf", "svg", "png", "csv", "tex")),
    }
    assert set(found["files"]) <= {str(folder / name) for name in written}
    assert found["ok"] and found["ablated"] == "init" and found["skipped"] == []
    assert [one["verdict"] for one in found["findings"]][:2] == ["as predicted"] * 2
    means = found["means"]
    assert [mean["amount"] for mean in means] == [0.0, 0.7] and means[0]["relative_alignment"] == 1
    assert {(mean["path"], mean["network"], mean["loss"]) for mean in means} == {("spherical", "mlp", "squared-error")}
    calls = computed(monkeypatch)
    assert main([word for word in words if word != "--json"]) == 0
    text = capsys.readouterr().out
    assert "modulo permutations" in text and "predicted" in text and str(folder / "figures" / "ablation.svg") in text
    assert text.rstrip().endswith("ablation: 3 of 3 as predicted, 4 more shown.") and calls == []
    same = ["run", "ablation", "--set", "path=spherical", "--set", "amounts=0,0.7", "--seeds", str(SEEDS)]
    assert main([*same, "--no-cache", "--out", str(tmp_path)]) == 0 and calls == []


def test_command_prints_what_differs_and_what_was_skipped(tiny, tmp_path, monkeypatch, capsys):
    words = [*RUN, "--path", "spherical,permutation", "--path", "head-permutation", "--network", "mlp,linear"]
    assert main([*words, "--out", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    skipped = [line for line in lines if line.startswith("skipped: ")]
    assert len(skipped) == 3 and skipped[0].startswith("skipped: head-permutation on mlp: units: must have units")
    assert sum(line.split()[:4] == ["path", "network", "amount", "distance"] for line in lines) == 1
    options = {"path": "spherical,permutation,head-permutation", "network": "mlp,linear", "amounts": "0,0.7"}
    same = ["run", "ablation", *(word for each in options.items() for word in ("--set", "=".join(each)))]
    same += ["--seeds", str(SEEDS), "--no-cache", "--out", str(tmp_path)]
    assert main(same) == 0
    assert [line for line in capsys.readouterr().out.splitlines() if line.startswith("skipped: ")] == skipped
    assert main([*same, "--json"]) == 0
    assert [row["path"] for row in json.loads(capsys.readouterr().out)["skipped"]] == [s.split()[1] for s in skipped]
    module = experiment.Experiment.module.func
    wrong = lambda self: (loaded := module(self), setattr(loaded, "off", lambda *_: 1.0))[0]  # noqa: E731
    monkeypatch.setattr(experiment.Experiment, "module", property(wrong))
    assert main([*words, "--out", str(tmp_path)]) == 1
    assert capsys.readouterr().out.rstrip().endswith("ablation: 3 of 4 as predicted, 4 more shown.")


BAD = [
    (["ablate", "loss"], "init"),
    (["ablate", "init", "--path", "nose"], "noise"),
    (["ablate", "init", "--path", "linear,permutaton"], "permutation"),
    (["ablate", "init", "--path", ","], "path: must be one of"),
    (["ablate", "init", "--path", "head-permutation"], "path: must fit mlp: noise, "),
    (["ablate", "init", "--path", "head-permutation", "--network", "mlp,linear"], "path: must fit mlp or linear: "),
    (["ablate", "init", "--path", "width", "--network", "linear"], "path: must fit linear"),
    (["ablate", "init", "--network", "mlq"], "mlp"),
    (["ablate", "init", "--network", "mlp,convnot"], "convnet"),
    (["ablate", "init", "--seeds", "0"], "seeds: must be a whole number from 1"),
    (["ablate", "init", "--seeds", "many"], "many"),
    (["ablate", "init", "--amounts", "0,far"], "amounts: must be numbers separated by commas, got '0,far'"),
    (["ablate", "init", "--path", "linear", "--amounts", "0,1.5"], "amounts: must lie in 0 ... 1, got 1.5 for linear"),
    (["ablate", "init", "--path", "noise,linear", "--amounts", "0,1.5"], "amounts: must lie in 0 ... 1, got 1.5"),
    (["ablate", "init", "--amounts", "nan"], "amounts: must be a number ≥ 0, got nan for noise"),
    (["ablate", "init", "--eps", "0"], "eps: must be a positive number, got 0"),
    (["ablate", "init", "--eps", "small"], "eps: must be a finite number, got 'small'"),
    (["ablate", "init", "--loss", "quartic"], "loss: must be one of"),
    (["ablate", "init", "--loss", "kl,quartic"], "loss: must be one of"),
    (["ablate", "init", "--channel", "unifrom"], "uniform"),
    (["ablate", "init", "--channel", "uniform,gaussian"], "channel: "),
    (["ablate", "init", "--network", "transformer", "--channel", "uniform"], "channel"),
    (["ablate", "init", "--teacher", "invisible"], "teacher"),
    (["ablate", "init", "--outputs", "some"], "some"),
    (["ablate", "init", "--out", __file__], "out"),
    (["run", "ablation", "--set", "outputs=some"], "outputs: must be one of all, aux, class, got 'some'"),
    (["run", "ablation", "--set", "pat=noise"], "option: unknown, did you mean 'path'?"),
]


@pytest.mark.parametrize(("words", "named"), BAD, ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_bad_input_is_one_line(words, named, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and err.count("\n") == 1 and named in err


# --- the experiment along every path


@pytest.fixture(scope="module")
def module():
    return experiment.experiments()["init_paths"].module


def test_every_path_has_a_group_and_a_network(module):
    grouped = [name for names in module.GROUPS.values() for name in names]
    assert sorted(grouped) == sorted(PATHS)
    found = [{name for name, _ in module.walked(network, module.PLAN.paths)} for network in module.PLAN.networks]
    assert set.union(*found) == set(PATHS)
    assert set(PATHS) - found[0] == {"head-permutation", "relu-rescaling", "gain-rescaling", "stream-rescaling"}
    assert {"width", "depth", "activation", "family"} <= set(known_paths(SETTING))


def test_experiment_on_one_tiny_network(module, monkeypatch):
    """Constants and orders are 1 where they must be, a planted error shows in both, saved rows draw the figure."""
    paths, losses, fractions = ("spherical", "permutation"), (SquaredError(),), (0.0, 0.5, 1.0)
    plan = module.Plan((SMOOTH,), paths, losses, 2, fractions, widths=(8,), inits=6, between=())
    kept = []
    real = module.checks
    monkeypatch.setattr(module, "checks", lambda crossings: (kept.append(crossings), real(crossings))[1])
    tables = module.tables(plan)
    for row in tables["errors"]:
        assert row["constant"] == pytest.approx(1, abs=1e-3) == row["trait_constant"]
        assert row["order"] == pytest.approx(1, abs=0.1) and (row["raw_scatter"] > 0.1) == (row["path"] == "spherical")
    for row in tables["init_paths"]:
        assert row["alignment"] == pytest.approx(row["alignment_predicted"], abs=2e-3)
        assert row["alignment_low"] <= row["alignment"] <= row["alignment_high"]
        if row["path"] == "permutation":
            assert row["trait_change"] == pytest.approx(1, abs=1e-9)
    planted = real([replace(c, kernel=1.01 * c.kernel) for c in kept[0]])
    assert abs(planted["constant"] - 1) > 1e-3 and abs(planted["order"] - 1) > 0.1
    assert len(tables["mean_field"]) == 2 * (len(module.RHOS) - 1)
    saved = {title: records.rows(records.columns(rows)) for title, rows in tables.items()}
    assert figure.drawn(module.figure(saved), "svg")


def test_mean_field_steps_are_those_of_the_definition(module):
    """What the teacher adds to one step, by plain gradients of the pair of inits that the key draws."""
    network, rho, i = MLP(width=3, task=module.TASK), 0.4, 1
    with float64():
        keys = jax.random.split(jax.random.key(3), 2)
        found = module.added_steps(network, keys, (1.0, rho))
        theta0, other = (network.init(key) for key in jax.random.split(keys[i]))
        d = at_rest(network, theta0, module.X, module.AUX, module.TRAIT)
        gain = lambda theta: jax.tree.map(lambda g: -g, jax.grad(lambda theta: trait_loss(d, theta))(theta))  # noqa: E731
        far = jax.tree.map(lambda a, b: rho * a + np.sqrt(1 - rho**2) * b, theta0, other)
        for k, student in enumerate((theta0, far)):
            each = replace(d, student=student, delta=gain(theta0))
            steps = [student_update(each, eps) for eps in (module.TINY, 0.0)]
            added = jax.tree.map(lambda a, b: (a - b) / module.TINY, *steps)
            wanted = [float(optax.tree.vdot(added, along)) for along in (each.delta, gain(student))]
            np.testing.assert_allclose(found[i, k], wanted, rtol=1e-6)


def test_ratios_of_means(module):
    """Against the mean and the spread of many draws of the same."""
    rng = np.random.default_rng(0)
    base = rng.normal(3, 1, size=(400, 50))
    values = np.stack([base, 0.5 * base + rng.normal(0, 1, size=base.shape)], axis=-1)
    found = np.array([module.ratios(each) for each in values])[:, :, 0]
    assert found[:, 0].mean() == pytest.approx(0.5, abs=4 * found[:, 0].std() / np.sqrt(400))
    assert found[:, 1].mean() == pytest.approx(found[:, 0].std(), rel=0.15)
