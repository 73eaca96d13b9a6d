"""`subtheory doctor`: each thing that is wrong with an environment has a line, and what is right has none."""

import json
import os
import subprocess
import sys

import jax
import pytest

from subtheory.cli import doctor, main

BAD = {
    "JAX_ENABLE_X64": "1",
    "JAX_DEBUG_NANS": "1",
    "JAX_DEBUG_INFS": "1",
    "JAX_DISABLE_JIT": "1",
    "JAX_DEFAULT_MATMUL_PRECISION": "bfloat16",
    "XLA_FLAGS": "--xla_cpu_enable_fast_math=true --xla_gpu_deterministic_ops=false",
    "NVIDIA_TF32_OVERRIDE": "1",
    "NPROC": "4096",
    "OMP_NUM_THREADS": "many",
    "XDG_CACHE_HOME": os.devnull,
    "PYTHONIOENCODING": "ascii",
    "PATH": "/nowhere",
}
"""All of these at once still give right numbers."""

SAID = ["XLA_FLAGS", "XLA_FLAGS", "compilation cache", "locale", "coq", "latex"]
NAMED = sorted([*SAID, *(BAD.keys() - {"XLA_FLAGS", "PATH", "XDG_CACHE_HOME", "PYTHONIOENCODING"})])


def doctored(**environment):
    """What it prints and its exit code, in an environment of its own."""
    clean = {name: value for name, value in os.environ.items() if name != "NPROC" and not name.startswith("JAX_")}
    words = [sys.executable, "-m", "subtheory", "doctor", "--json"]
    done = subprocess.run(words, env=clean | environment, capture_output=True, text=True, timeout=300)
    return json.loads(done.stdout), done.returncode


def test_everything_that_is_wrong_is_named_with_what_to_do_and_no_number_is_wrong():
    found, code = doctored(**BAD)
    items = [each["item"] for each in found["findings"] if each["item"] != doctor.MODEL]  # whose weights may be there
    assert sorted(item.upper() if "jax" in item else item for item in items) == NAMED
    assert all(each["wrong"] and each["advice"] for each in found["findings"])
    assert set(found["known answers"].values()) == {"right"} and code == 0


@pytest.mark.parametrize(
    ("variable", "value"), [("JAX_PLATFORMS", "nonsuch"), ("XLA_FLAGS", "--xla_nonsuch=1")], ids=lambda each: each
)
def test_where_jax_does_not_start_the_variable_is_named(variable, value):
    found, code = doctored(**{variable: value})
    (one,) = found["findings"]
    assert one["item"] == variable and "nonsuch" in one["wrong"] and variable in one["advice"]
    assert code == 4


def test_what_is_right_has_no_line(monkeypatch):
    """Here, where the tests run: one check after the other has nothing to say in an environment without faults."""
    for name in ("XLA_FLAGS", "NVIDIA_TF32_OVERRIDE", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NPROC", "1")
    for check in (doctor._answers, doctor._versions, doctor._settings, doctor._flags, doctor._threads, doctor._cache):
        assert not list(check()), check.__name__


def test_releases_and_devices_that_do_not_fit_have_a_line(monkeypatch):
    monkeypatch.setattr(doctor, "version", {"jax": "0.10.2", "jaxlib": "0.9.1"}.get)
    assert [each.item for each in (*doctor._answers(), *doctor._versions())] == ["known answers", "versions"]
    monkeypatch.setattr(jax, "default_backend", lambda: "tpu")
    assert "emulates float64" in next(doctor._device()).wrong
    monkeypatch.setattr(jax, "default_backend", lambda: "cpu")
    monkeypatch.setattr(doctor.shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    assert "NVIDIA" in next(doctor._device()).wrong


def test_findings_are_lines_of_text(capsys, monkeypatch):
    monkeypatch.setattr(doctor, "CHECKS", (lambda: iter([doctor.Finding("sky", "is green", "look again")]),))
    assert main(["doctor", "--no-cache"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "sky: is green → look again"
    monkeypatch.setattr(doctor, "CHECKS", ())
    assert main(["doctor", "--no-cache"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "nothing is wrong"
