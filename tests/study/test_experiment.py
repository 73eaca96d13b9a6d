"""Experiments are files: found, run, resumed, redrawn, and refused when their record is corrupt."""

import json
import math
import shutil
from dataclasses import replace

import numpy as np
import pytest
from invented import invented

import subtheory as st
from subtheory import figure, records, resources
from subtheory.certificate.cases import CASES
from subtheory.cli import main
from subtheory.errors import DataError, InputError, SubtheoryError
from subtheory.networks import NETWORKS
from subtheory.study import experiment, ladder, saved
from subtheory.study.finding import Finding, rate, shown, summary
from subtheory.traces import TRACES

FAKE = invented("fake", '{"line": line, "other": [{"name": "a"}]}', "blank() if tables['line'] else None")


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """A folder of experiments with one in it; returns its file and the calls of `tables`."""
    folder = tmp_path / "experiments"
    folder.mkdir()
    (folder / "fake.py").write_text(FAKE)
    (folder / "_helper.py").write_text("raise RuntimeError")
    monkeypatch.setattr(resources, "experiments", lambda: folder)
    return folder / "fake.py"


def modules(monkeypatch):
    """Count how often any loaded fake computes its tables."""
    calls = []
    load = experiment.Experiment.tables

    def counted(self, plan, progress=None):
        calls.append(plan == self.plan(True))
        return load(self, plan, progress)

    monkeypatch.setattr(experiment.Experiment, "tables", counted)
    return calls


def test_run_writes_tables_figure_and_provenance(fake, tmp_path):
    steps = []
    paths = experiment.run("fake", tmp_path / "out", quick=True, progress=lambda *step: steps.append(step)).files
    assert steps == [(1, 1, "done")] and all(path.is_file() for path in paths)
    folder = tmp_path / "out" / "fake" / "quick"
    names = {str(path.relative_to(folder)) for path in paths}
    assert names == {f"tables/{name}.{e}" for name in ("line", "other") for e in ("csv", "tex")} | {
        f"figures/fake.{e}" for e in ("pdf", "svg", "png", "csv", "tex")
    }
    assert (folder / "tables/line.csv").read_text() == "x,y\n0,0.0\n1,2.0\n"
    meta = json.loads((folder / "tables/record.json").read_text("utf-8"))["meta"]
    assert meta["provenance"]["command"] == "subtheory run fake --quick" and meta["provenance"]["jax"]
    assert experiment.saved_tables(folder)["other"] == [{"name": "a"}]


def test_files_of_ones_own_lie_beside_the_tables(fake, tmp_path):
    """Made of the tables, which say what is in them."""
    fake.write_text(FAKE + "\n\ndef files(tables):\n    return {'line.txt': str(len(tables['line']))}\n")
    paths = experiment.run("fake", tmp_path / "out", quick=True).files
    assert [path.read_text("utf-8") for path in paths if path.name == "line.txt"] == ["2"]
    assert experiment.experiments()["fake"].files({"line": []}) == {"line.txt": "0"}


JUDGED = """
from subtheory.study.finding import Finding, rate, shown
def findings(tables):
    rows = tables["line"]
    return [
        rate("y is twice x", [row["y"] == 2 * row["x"] for row in rows]),
        Finding("the last y", rows[-1]["y"], 5.5, 6.5),
        shown("the last x", rows[-1]["x"]),
    ]
"""


@pytest.mark.parametrize(("quick", "code"), [(False, 0), (True, 1)])
def test_a_run_says_what_came_out_and_what_did_not(fake, tmp_path, monkeypatch, capsys, quick, code):
    fake.write_text(FAKE + JUDGED)
    monkeypatch.chdir(tmp_path)
    assert main(["run", "fake", "--out", str(tmp_path), *["--quick"] * quick]) == code
    out = capsys.readouterr().out
    assert out.rstrip().endswith(f"fake: {1 if quick else 2} of 2 as predicted, 1 more shown.")
    lines = out.splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("finding")) + 2
    assert lines[first].startswith("the last y" if quick else "y is twice x"), "what did not come out comes first"
    assert ("NOT as predicted" in out) == quick
    folder = experiment.place(tmp_path, "fake", quick, {})
    kept = (folder / "tables/findings.csv").read_text().splitlines()
    assert kept[0] == "finding,found,low,high,verdict" and len(kept) == 4
    assert main(["run", "fake", "--out", str(tmp_path), "--json", *["--quick"] * quick]) == code
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] != quick and [one["verdict"] for one in found["findings"]].count("shown") == 1


def test_findings_fail_on_what_is_no_number_and_on_no_case():
    assert not Finding("a", math.nan, -math.inf, math.inf).ok and not rate("b", []).ok
    assert rate("c", [True, True, False], 0.6).ok and not rate("c", [True, False], 0.6).ok
    assert (
        shown("d", math.nan).ok
        and summary([shown("d", 1), Finding("e", 2, 0, 1)]) == "0 of 1 as predicted, 1 more shown"
    )


def test_resumes_until_something_that_matters_changes(fake, tmp_path, monkeypatch):
    calls = modules(monkeypatch)
    run = lambda **changed: experiment.run("fake", tmp_path / "out", **changed).files  # noqa: E731
    first = {path: path.read_bytes() for path in run()}
    first_csv = tmp_path / "out/fake/tables/line.csv"
    first_csv.unlink()
    assert {path: path.read_bytes() for path in run()} == first
    assert calls == [False]
    run(quick=True)
    assert calls == [False, True]
    fake.write_text(FAKE.replace("2.0 *", "3.0 *"))
    run(quick=True)
    assert calls == [False, True, True] and "1,2.0" in first_csv.read_text()
    assert "1,3.0" in (tmp_path / "out/fake/quick/tables/line.csv").read_text()
    monkeypatch.setattr(experiment, "__version__", "another")
    run(quick=True)
    assert len(calls) == 4


def test_corrupt_record_is_put_aside_and_computed_again(fake, tmp_path, monkeypatch, capsys):
    calls = modules(monkeypatch)
    experiment.run("fake", tmp_path)
    data = tmp_path / "fake/tables/record.npz"
    data.write_bytes(data.read_bytes()[:-3])
    with pytest.raises(DataError, match=r"record\.npz: corrupt"):
        saved.figures(tmp_path)
    experiment.run("fake", tmp_path)
    assert len(calls) == 2 and "quarantine" in capsys.readouterr().err
    saved.figures(tmp_path)


def test_figures_are_redrawn_from_tables_alone(fake, tmp_path, monkeypatch):
    calls = modules(monkeypatch)
    experiment.run("fake", tmp_path / "out")
    figures = tmp_path / "out/fake/figures"
    before = {path.name: path.read_bytes() for path in figures.iterdir()}
    shutil.rmtree(figures)
    paths = saved.figures(tmp_path / "out")
    assert {path.name: path.read_bytes() for path in paths} == before and calls == [False]


def test_errors_name_what_is_wrong(fake, tmp_path):
    with pytest.raises(InputError, match="experiment: unknown, did you mean 'fake'"):
        experiment.run("fakes", tmp_path)
    with pytest.raises(InputError, match="must hold the tables"):
        saved.figures(tmp_path)
    with pytest.raises(DataError, match="missing"):
        experiment.saved_tables(tmp_path)
    fake.write_text(FAKE.replace("def figure", "def painting"))
    with pytest.raises(SubtheoryError, match="must define figure"):
        experiment.run("fake", tmp_path)


def test_listing_runs_nothing(fake):
    fake.write_text("raise RuntimeError")
    assert list(experiment.experiments()) == ["fake"]


def test_shipped_experiments_have_plans_that_refuse_what_is_none():
    """Two records that differ, numbers of either that are too small named, and no field that nobody may leave out."""
    for name, one in experiment.experiments().items():
        assert one.plan() != one.plan(True) and type(one.plan()) is type(one.plan(True))
        assert one.options() and set(one.options()) == set(one.options(True)), name
        for option in one.options().values():
            if option.kind is int:
                with pytest.raises(InputError) as error:
                    replace(one.plan(), **{option.name: -1})
                assert error.value.field == option.name


def test_shipped_experiments_say_what_they_ask():
    for name, one in experiment.experiments().items():
        assert one.question.endswith("?") and one.expected and one.command == f"subtheory run {name}"


@pytest.fixture(scope="module")
def rows():
    return ladder.medians(ladder.measured([NETWORKS["linear"]], (0,)))


def test_ladder_of_the_linear_network(rows):
    """Exact but for rounding with a shared init, and 1/ε without: on every rung."""
    shared, own = ([row for row in rows if row["init"] == init] for init in ("shared", "independent"))
    assert len(shared) == len(own) == 18
    assert all(row["error"] <= row["rounding_bound"] for row in shared)
    slope = np.polyfit(np.log([r["relative_size"] for r in own[3:]]), np.log([r["size"] for r in own[3:]]), 1)[0]
    assert math.isclose(slope, -1, abs_tol=0.02)
    sizes = [row["relative_size"] for row in shared]
    np.testing.assert_allclose(sizes, 0.1 * 4.0 ** -np.arange(18), rtol=1e-9)


def test_ladder_compiles_one_program_a_network(rows):
    before = dict(TRACES)
    ladder.measured([NETWORKS["linear"]], (0,))
    assert dict(TRACES) == before


def test_ladder_figure_draws_from_saved_rows(rows, tmp_path):
    saved, one = {ladder.NAME: records.rows(records.columns(rows))}, experiment.experiments()[ladder.NAME]
    assert saved[ladder.NAME] == rows
    paths = experiment.draw(one, saved, tmp_path)
    assert {path.suffix for path in paths} == {".pdf", ".svg", ".png", ".csv", ".tex"}
    lines = one.module.figure(saved).axes[0].get_lines()
    np.testing.assert_array_equal(lines[0].get_ydata(), [max(r["error"], 1e-17) for r in rows if r["init"] == "shared"])


@pytest.fixture(scope="module")
def thresholds():
    return experiment.experiments()["thresholds"]


@pytest.fixture(scope="module")
def threshold_tables(thresholds):
    """The tables of one case and one random setting."""
    module = thresholds.module
    rows = module.case_rows("tanh-2-4-2", module.LOSSES[0], 1)
    found = [module.random_setting(2)]
    fixed = {"thresholds": rows, "summary": module.summary(rows), "curves": module.curve_rows(rows)}
    return {**fixed, "random_settings": module.counted(found), "control": [module.control_row(2.0)]}


@pytest.mark.parametrize(
    ("name", "loss"), [("softplus-2-4-2", st.SquaredError()), ("gelu-erf-2-4-2", st.CrossEntropy())]
)
def test_thresholds_have_an_alignment_of_their_own(thresholds, name, loss):
    """The 50 digits agree with JAX, in D and in q."""
    d = replace(CASES[name].distillation(3, loss), eps=np.array([3.0, 0.1]))
    values, q = thresholds.module.alignment(d, d.eps)
    np.testing.assert_allclose(np.array(values, float), st.alignment(d), rtol=1e-11)
    np.testing.assert_allclose(float(q), st.quadratic_form(d), rtol=1e-12)


def test_first_root_is_the_first_or_nan(thresholds):
    module = thresholds.module
    assert math.isclose(module.first_root(lambda t: np.sin(3 * t), 60.0), math.pi / 3, rel_tol=1e-9)
    assert math.isnan(module.first_root(lambda t: 1 + t, 60.0)) and math.isnan(module.sampled(lambda t: 1 + t, 60.0, 0))
    assert math.pi / 3 < module.sampled(lambda t: np.sin(3 * t), 60.0, 0) < 1.1


def test_four_numbers_beside_each_other(threshold_tables):
    """Bound < certificate < root < sampled failure, with the certificate at the root; the control turns at π/k."""
    row, trait = threshold_tables["thresholds"]
    assert row["explicit_bound"] < row["certified"] <= row["root"] <= row["certainly_wrong"] < row["sampled"]
    assert 0.999 < row["certified_over_root"] <= 1 and 0.999 < trait["certified_over_root"] <= 1
    first, total = threshold_tables["summary"][0], threshold_tables["random_settings"][-1]
    assert (first["roots"], first["certified_beyond_root"], first["bound_beyond_certified"]) == (1, 0, 0)
    assert total["settings"] == 1 and total["negative_below_bound"] == total["negative_below_certificate"] == 0
    (control,) = threshold_tables["control"]
    assert control["explicit_bound"] < control["certified"] <= control["first_zero"] == math.pi / 2
    assert control["just_above"] < 0 < control["just_below"]
    assert math.isclose(control["just_above"], control["predicted_above"], rel_tol=1e-9)


def test_thresholds_figure_draws_from_saved_rows(threshold_tables, thresholds):
    saved = {title: records.rows(records.columns(rows)) for title, rows in threshold_tables.items()}
    drawn = thresholds.module.figure(saved)
    assert figure.drawn(drawn, "svg")
    curve = drawn.axes[0].get_lines()[0]
    np.testing.assert_array_equal(curve.get_ydata(), [row["ratio"] for row in threshold_tables["curves"]])


@pytest.fixture(scope="module")
def phase_diagram():
    return experiment.experiments()["phase_diagram"]


@pytest.fixture(scope="module")
def phase_tables(phase_diagram):
    """On a coarser grid."""
    return phase_diagram.module.tables(replace(phase_diagram.plan(True), points=9))


def test_phase_diagram_is_what_the_formula_says(phase_tables):
    """Exact for the quadratic; for the trait loss the formula and the certificate lie inside."""
    assert all(math.isclose(r["measured"], r["predicted"], rel_tol=1e-6) for r in phase_tables["quadratic"])
    assert all(row["formula"] <= row["measured"] * (1 + 1e-6) for row in phase_tables["boundary"])
    found = {row["quantity"]: row["value"] for row in phase_tables["slopes"]}
    assert found["rising points of the grid below the formula"] == 0
    assert found["rising points of the grid that are certified to fall"] == 0
    assert 0.99 < found["smallest certified over measured eps"] <= found["largest certified over measured eps"] <= 1
    assert abs(found["slope of the measured boundary"] + 1) < 0.05


def test_phase_diagram_draws_from_saved_rows(phase_tables, phase_diagram):
    saved = {title: records.rows(records.columns(rows)) for title, rows in phase_tables.items()}
    assert figure.drawn(phase_diagram.module.figure(saved), "svg")
