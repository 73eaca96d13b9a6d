"""`ablate`: a run that was killed, its tables taken again, and bad input."""

import json

import pytest
from ablated import SEEDS
from shapes import SMOOTH

from subtheory.cli import main
from subtheory.networks import NETWORKS, Linear
from subtheory.study import experiment, judgement, walks


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setitem(NETWORKS, "mlp", SMOOTH)
    monkeypatch.setitem(NETWORKS, "linear", Linear())


def computed(monkeypatch):
    """The paths that any run computes from now on."""
    calls, real = [], walks.ablate
    monkeypatch.setattr(
        walks, "ablate", lambda path, *rest: (calls.append(path.name), real(path, *rest))[1]
    )  # what a run loads anew
    return calls


def test_a_run_that_was_killed_goes_on(tiny, tmp_path, monkeypatch):
    given = {"path": "spherical,permutation", "amounts": "0,0.7", "seeds": SEEDS}
    whole = experiment.run("ablation", tmp_path / "whole", given=given)
    assert whole.ok
    calls = computed(monkeypatch)

    def stop(done, total, what):
        assert total == 2 and (what.endswith("mlp squared-error") or not done)
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        experiment.run("ablation", tmp_path / "killed", progress=stop, given=given)
    experiment.run("ablation", tmp_path / "killed", given=given)
    assert calls == ["spherical", "permutation"] and not list(tmp_path.rglob("parts"))
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
    monkeypatch.setattr(judgement, "off", lambda *_: 1.0)
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
