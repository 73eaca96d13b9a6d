"""Files and terminals as they are found in the wild: bounded, written where they are meant, told in any encoding."""

import gzip
import io
import json
import os
import stat
import subprocess
import sys
import threading
import zipfile

import numpy as np
import pytest

from subtheory import files
from subtheory.certificate import document
from subtheory.certificate.making import check_certificate
from subtheory.cli import main, terminal
from subtheory.data import mnist
from subtheory.errors import DataError, InputError
from subtheory.falsification import counterexample
from subtheory.pages import report

PROGRAM = [sys.executable, "-m", "subtheory"]


@pytest.fixture
def strange(tmp_path):
    """Places that are no plain files, by name."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "to-pipe").symlink_to("pipe")
    return {"pipe": tmp_path / "pipe", "folder": tmp_path / "folder", "link to a pipe": tmp_path / "to-pipe",
            "device": "/dev/zero", "null": os.devnull, "loop": tmp_path / "loop", "here": ".", "root": "/"}  # fmt: skip


STRANGE = ("pipe", "folder", "link to a pipe", "device", "loop", "here")
READERS = {
    "certificate": lambda path: check_certificate(path),
    "counterexample": lambda path: counterexample.read(path),
    "mnist": lambda path: mnist.read(path),
}


# Reading ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", STRANGE)
def test_what_is_no_file_is_not_waited_for(strange, name, reader):
    found: list[Exception] = []

    def read():
        try:
            READERS[reader](strange[name])
        except Exception as error:
            found.append(error)

    # A pipe without a writer would wait for ever, a device would give for ever.
    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive() and isinstance(found[0], DataError | InputError) and "\n" not in str(found[0])


def test_sizes_are_judged_before_anything_is_read(tmp_path):
    large = tmp_path / "large.json"
    with large.open("wb") as file:
        file.truncate(10 * 2**30)  # 10 GiB of nothing
    for reader in READERS.values():
        with pytest.raises((DataError, InputError), match="larger than"):
            reader(large)
    with pytest.raises(ValueError, match="larger than 3 bytes"):
        files.read(__file__, 3)
    with pytest.raises(ValueError, match="larger than"):
        files.read("/proc/self/maps", 10)  # which says that it has no bytes


@pytest.mark.parametrize("name", ["pipe", "device", "folder with a pipe"])
def test_data_of_an_experiment_is_a_plain_file(strange, name, capsys, tmp_path):
    where = {**strange, "folder with a pipe": tmp_path}[name]
    words = ["run", "aux_logits", "--set", "data=mnist", "--set", f"file={where}", "--out", str(tmp_path / "out")]
    assert main(words) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: file: must be a plain file") and err.count("\n") == 1


@pytest.mark.parametrize("deep", [b"[" * 100_000, b"[" * 900 + b"]" * 900, b'{"a":' * 70 + b"1" + b"}" * 70])
def test_depth_is_bounded(tmp_path, deep):
    path = tmp_path / "deep.json"
    path.write_bytes(deep)
    for reader in (check_certificate, counterexample.read):
        with pytest.raises(DataError) as refused:
            reader(path)
        assert "\n" not in str(refused.value)
    with pytest.raises(ValueError):
        files.read_json(path)


def test_depth_below_the_bound_is_read(tmp_path):
    path = tmp_path / "deep.json"
    path.write_text("[" * files.DEEPEST + "]" * files.DEEPEST)
    assert files.read_json(path)


def test_a_number_that_would_fill_the_memory():
    for read in (lambda: document.rationals(["1e999999999"]), lambda: document.total({"ends": ["1/3", "-2E+88888"]})):
        with pytest.raises(DataError, match="exponent"):
            read()
    assert document.total(["1e-300", "kind-e12345x"]) > 0, "numbers that are written out, and names, are read"


def damaged():
    """Bytes of packed files that are broken in every way that libraries have an error for."""
    out = io.BytesIO()
    np.savez_compressed(out, x_train=np.zeros((2, 28, 28), np.uint8))
    good, header = out.getvalue(), io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (10**12,)})
    with zipfile.ZipFile(lying := io.BytesIO(), "w") as archive:
        archive.writestr("x_train.npy", header.getvalue())
    flipped = bytearray(good)
    flipped[90] ^= 255
    packed = gzip.compress(bytes(2000))
    yield "nothing", b"", ".npz"
    yield "noise", bytes(range(256)) * 9, ".npz"
    yield "cut", good[: len(good) // 2], ".npz"
    yield "flipped", bytes(flipped), ".npz"
    yield "a shape of 10^12", lying.getvalue(), ".npz"
    yield "an array, no archive", b"\x93NUMPY\x01\x00", ".npz"
    yield "cut gzip", packed[: len(packed) - 9], ".gz"
    yield "gzip of noise", packed[:10] + bytes(range(256)), ".gz"
    yield "no gzip", b"no", ".gz"


@pytest.mark.parametrize(("data", "ending"), [each[1:] for each in damaged()], ids=[each[0] for each in damaged()])
def test_damaged_archives_are_one_line(tmp_path, data, ending):
    path = tmp_path / f"train-images-idx3-ubyte{ending}"
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"^file: must be an npz archive") as refused:
        mnist.read(tmp_path if ending == ".gz" else path)
    assert "\n" not in str(refused.value)


def test_what_unpacks_to_more_than_it_may(tmp_path):
    with pytest.raises(ValueError, match="unpacks to more than 99 bytes"):
        files.gunzip(gzip.compress(bytes(100)), 99)
    out = io.BytesIO()
    np.savez_compressed(out, x=np.zeros(1000))
    with pytest.raises(ValueError, match="unpacks to more than"):
        files.arrays(out.getvalue(), 1000)
    assert files.arrays(out.getvalue())["x"].shape == (1000,)


# Writing ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*STRANGE, "null", "root"])
def test_what_is_no_file_is_not_replaced(strange, name):
    before = os.stat(strange[name]).st_mode if name != "loop" else None
    with pytest.raises(InputError, match="output: cannot be written, it must be a file") as refused:
        files.write_atomic(strange[name], "new")
    assert "\n" not in str(refused.value)
    assert before is None or os.stat(strange[name]).st_mode == before


def test_a_link_is_written_through(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/real.json").write_text("old")
    os.chmod(tmp_path / "deep/real.json", 0o600)
    for link, target in (("a.json", "deep/real.json"), ("b.json", "a.json"), ("new.json", "deep/other.json")):
        (tmp_path / link).symlink_to(target)
        assert files.write_atomic(tmp_path / link, link) == tmp_path / link
        assert (tmp_path / link).is_symlink() and (tmp_path / link).read_text() == link
    assert (tmp_path / "deep/real.json").read_text() == "b.json" and (
        tmp_path / "deep/other.json"
    ).read_text() == "new.json"
    assert stat.S_IMODE(os.stat(tmp_path / "deep/real.json").st_mode) == 0o600, "a file keeps its mode"
    assert not list(tmp_path.rglob("*.tmp"))


@pytest.mark.parametrize(
    "words",
    [
        ["certify", "--network", "tanh-2-4-2", "--loss", "squared-error", "--out"],
        ["falsify", "trait-loss-falls", "--out"],
    ],
)
@pytest.mark.parametrize("name", STRANGE)
def test_commands_refuse_such_places_before_they_compute(strange, name, words, capsys):
    assert main([*words, str(strange[name])]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: out: cannot be written, it must be a file") and err.count("\n") == 1


def full(path, data):
    raise InputError("output", path, "cannot be written (No space left on device)")


def test_a_full_disk_takes_no_verdict_away(tmp_path, capsys, monkeypatch):
    """The verdict stands first, and one line says what could not be written; all that could is there."""
    written = report.write_atomic

    def some(path, data):
        return full(path, data) if path.name in ("claims.tex", "report.html") else written(path, data)

    monkeypatch.setattr(report, "write_atomic", some)
    monkeypatch.setattr("subtheory.study.ladder.measured", lambda *_: [])
    monkeypatch.setattr("subtheory.study.ladder.medians", lambda _: [])
    words = ["verify", "kink-reverses-alignment", "--network", "mlp", "--seeds", "1", "--quick", "--no-cache"]
    assert main([*words, "--out", str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert "1 of 1 claims hold" in out and "report:" not in out
    line = [each for each in err.splitlines() if each.startswith("error")]
    assert len(line) == 1 and "claims.tex" in line[0] and "report.html" in line[0] and "No space left" in line[0]
    assert {path.name for path in (tmp_path / "tables").iterdir()} == {
        "claims.csv", "controls.csv", "references.bib", "verify.json",
    }  # fmt: skip


# Terminals ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("D(ε) = εq + ½ε²h″(0)", "D(eps) = epsq + 1/2eps^2h''(0)"),
        ("ΔᵀGΔ ≥ 0 ⇒ θ0", "Delta^TGDelta >= 0 => theta0"),
        ("✓ holds − é ₂ 漢", "+ holds - e _2 ?"),
        ("E D̂ of s̄, s₋² ≲ 1", "E D-hat of s-bar, s_-^2 <~ 1"),
        ("plain", "plain"),
    ],
)
def test_greek_is_spelled_out(text, plain):
    assert terminal.spelled(text) == plain


def test_all_that_the_package_says_can_be_spelled():
    """No sign of a claim becomes a question mark."""
    from subtheory.claims import CLAIMS, OVER_READINGS

    for one in [*CLAIMS.values(), *OVER_READINGS.values()]:
        for text in (one.name, one.formula, one.statement, one.source, *(a.sentence for a in one.assumptions)):
            assert terminal.spelled(text).isascii() and terminal.spelled(text).count("?") == text.count("?"), text


ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def printed(monkeypatch, encoding, words):
    """What a command prints on a terminal of an encoding, and its exit code."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2))
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    code = main(words)
    monkeypatch.undo()
    for stream in (out, err):
        stream.flush()
    return code, *(stream.buffer.getvalue().decode(encoding) for stream in (out, err))


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "ascii", "utf-8"])
def test_any_encoding_will_do(monkeypatch, encoding):
    code, out, _ = printed(monkeypatch, encoding, ["claims"])
    assert code == 0 and ("D(ε) = ε ΔᵀGΔ" if encoding == "utf-8" else "D(eps) = eps Delta^TGDelta") in out
    lines = out.splitlines()
    where = lines[0].index("tier")
    assert all(line[where - 2 : where] == "  " for line in lines[1:4]), "columns keep their places"
    code, out, _ = printed(monkeypatch, encoding, ["claims", "--json"])
    assert code == 0 and "ε" in json.loads(out)["claims"][0]["formula"]
    code, _, err = printed(monkeypatch, encoding, ["explain", "trait-loss-fal"])
    assert code == 2 and err.startswith("error: ")


def test_an_old_locale_and_no_utf_8_mode():
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG", "PYTHONIO"))} | ASCII
    done = subprocess.run([*PROGRAM, "explain", "cosine-limit"], capture_output=True, env=environment, timeout=300)
    assert done.returncode == 0 and b"||GDelta||" in done.stdout and not done.stderr


@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_change_no_exit_code(closed):
    for words, code in (("cite", 0), ("cite --nonsense", 2)):
        line = f"{' '.join(PROGRAM)} {words} {closed}"
        assert subprocess.run(["bash", "-c", line], timeout=300, check=False).returncode == code


def test_a_full_output_is_not_a_failing_claim():
    line = f"{' '.join(PROGRAM)} cite >/dev/full"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 4 and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1


def test_a_fault_of_the_program_has_a_code_of_its_own():
    code = "import sys; from subtheory import cli; cli.main = lambda: 1 / 0; cli.program()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 70 and "ZeroDivisionError" in done.stderr


# Claims of one's own ------------------------------------------------------------------------------

CLAIM = """
import subtheory as st
from subtheory.claim import claim

@claim(formula="0 = 1", source="nobody")
def mine(m):
    '''Mine.'''
    {fault}
"""

FAULTS = {
    "raises": ("return 1 / 0", "claims: must run .ZeroDivisionError.*got .*py:8"),
    "reads what is not there": ("return st.Evidence(m.nothing, 1.0, 1.0)", "claims: must run .AttributeError.*py:8"),
    "returns nothing": ("pass", "claim: must return Evidence, got a NoneType from mine"),
    "does not parse": ("return (", "claims: must be importable .SyntaxError.*py:8"),
    "fails on import": ("pass\n\nraise RuntimeError('no')", "claims: must be importable .RuntimeError: no.*py:10"),
    "leaves": ("pass\n\nimport sys; sys.exit(0)", "claims: must be importable .SystemExit"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_a_users_claim_is_theirs(tmp_path, fault, capsys, monkeypatch):
    import re

    monkeypatch.chdir(tmp_path)
    text, words = FAULTS[fault]
    (tmp_path / "mine.py").write_text(CLAIM.format(fault=text))
    assert main(["falsify", "--claims", "mine.py", "--budget", "5", "--no-cache"]) == 2
    line = [each for each in capsys.readouterr().err.splitlines() if each.startswith("error")]
    assert len(line) == 1 and re.search(words, line[0]), line


def test_a_file_of_claims_is_bounded(tmp_path, capsys):
    path = tmp_path / "large.py"
    with path.open("wb") as file:
        file.truncate(10 * 2**30)
    assert main(["falsify", "--claims", str(path)]) == 2
    assert "must be a Python file of at most" in capsys.readouterr().err
