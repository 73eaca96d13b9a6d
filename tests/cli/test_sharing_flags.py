"""Who computes the parts of a run, and where they are kept, as the command line says it."""

import json

import pytest

from subtheory.cli import main

VERIFY = [
    "verify",
    "alignment-is-ggn-form",
    "--network",
    "mlp",
    "--loss",
    "kl",
    "--quick",
    "--seeds",
    "1",
    "--no-cache",
    "--json",
]


def parts(capsys):
    out, err = capsys.readouterr()
    found = json.loads(out)
    claims = json.dumps(found["claims"])
    return claims, found["provenance"]["parts"], err


def test_a_command_that_was_run_before_takes_what_is_kept(tmp_path, capsys):
    place = ["--ledger", str(tmp_path / "ledger")]
    assert main([*VERIFY, *place]) == 0
    claims, first, err = parts(capsys)
    assert first["taken"] == 0 and first["computed"] > 0 and "kept" not in err
    assert main([*VERIFY, *place]) == 0
    again, second, err = parts(capsys)
    assert again == claims and second == {"computed": 0, "taken": first["computed"]} and "kept by an earlier run" in err
    assert main([*VERIFY, *place, "--fresh"]) == 0
    assert parts(capsys)[:2] == (claims, first)
    assert main([*VERIFY, *place, "--seed", "1"]) == 0
    assert parts(capsys)[1]["taken"] == 0, "another request"


def test_shards_are_run_one_after_the_other_and_then_all_together(tmp_path, capsys):
    place = ["--ledger", str(tmp_path / "ledger")]
    assert main([*VERIFY, *place, "--shard", "1/2"]) == 3
    err = capsys.readouterr().err
    assert err.splitlines()[-1].startswith("error: parts: ") and "still missing" in err
    assert main([*VERIFY, *place, "--shard", "2/2"]) == 0
    claims, last, _ = parts(capsys)
    assert last["taken"] > 0 and last["computed"] > 0
    assert main([*VERIFY, *place]) == 0
    assert parts(capsys)[0] == claims


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--shard", "3/2"], "shard: must be I/N with"),
        (["--processes", "0"], "processes: "),
        (["--ledger", "/dev/null"], "ledger: must be a folder"),
        (["--dask", "nonsense"], "dask: must be the address of a scheduler"),
    ],
)
def test_bad_sharing_is_one_line(words, said, capsys):
    assert main([*VERIFY, *words]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and err.startswith(f"error: {said}")
