"""What benchmarks and scripts measure: what a process takes, exponents, what fits, and whether threads hang."""

import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from loaded import load

from subtheory.data import TOKENS
from subtheory.numerics import float64


def test_a_fresh_process_says_what_it_took(monkeypatch: pytest.MonkeyPatch) -> None:
    startup = load("benchmarks/startup.py", monkeypatch)
    work = "import time; b = b'1' * 2**28\nwhile time.process_time() < 0.3: pass\nprint(len(b))"
    idle, busy = startup.fresh(["-c", "pass"])[0], startup.fresh(["-c", work])
    assert busy[1] == f"{2**28}\n" and 0.3 <= busy[0]["cpu_s"] and busy[0]["peak_MiB"] >= 256
    assert idle["cpu_s"] < 0.3
    with pytest.raises(SystemExit, match="ended with 3"):
        startup.fresh(["-c", "raise SystemExit(3)"])


def test_exponents_and_sizes_of_a_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    """A square law beyond a fixed cost; sequences of any length end in the task's own prompts."""
    scaling = load("benchmarks/scaling.py", monkeypatch)
    rows = [{"n": n, "cpu_s": 5 + 1e-3 * (n - 1) ** 2} for n in (1, 10, 100, 1000)]
    fitted = scaling.exponents(rows)
    np.testing.assert_allclose(fitted["beyond fixed"], 2, rtol=1e-9)
    assert 0 < fitted["total"] < 2
    key = jax.random.key(0)
    with float64():
        long, labels = scaling.with_tokens(15).network.task.sample(key, 3)
        short, own = TOKENS.sample(key, 3)
    assert long.shape == (3, 15)
    np.testing.assert_array_equal(long[:, 5:], short)
    np.testing.assert_array_equal(labels, own)
    assert [scaling.with_outputs(n).network.task.outputs for n in (16, 64)] == [16, 64]
    assert len(scaling.with_eps(32).eps) == 32


def test_many_seeds_are_the_same_numbers_as_few(monkeypatch: pytest.MonkeyPatch) -> None:
    scaling = load("benchmarks/scaling.py", monkeypatch)
    setting = scaling.with_eps(3)
    monkeypatch.setattr(scaling.plan, "SEEDS", 2)
    found = scaling.measure(setting, range(3))
    assert found.shape == (3, 3)
    np.testing.assert_array_equal(found[2:], scaling.measure(setting, [2]))


def test_what_a_gpu_would_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the CPU, at the smallest sizes: the first transformer fits, one twice as wide or with twice the batch not."""
    gpu = load("benchmarks/gpu.py", monkeypatch)
    a = gpu.arguments(["--tiny", "--device", "cpu"])
    with float64():
        a.memory = 1.2 * gpu.bytes_of(gpu.product(a.width, a.sequences, a.length, a.blocks)[0]) / 2**30
        (row,), fits = gpu.share_of_ceiling(a), gpu.largest(a)
    assert 0 < row["TFLOP/s"] and row["share"] == pytest.approx(row["TFLOP/s"] / row["matmul_TFLOP/s"])
    assert [(each["largest"], each["width"], each["sequences"]) for each in fits] == [("model", 4, 2), ("batch", 4, 2)]
    assert all(each["parameters"] == row["parameters"] for each in fits)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads Linux's /proc")
def test_a_process_whose_threads_all_wait_has_hung(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that works, or has ended, has not."""
    hang = load("scripts/pool_hang.py", monkeypatch)
    monkeypatch.setattr(hang, "QUIET", 1)
    waits, works = (
        "import threading; print(1, flush=True); threading.Event().wait()",
        "print(1, flush=True)\nwhile True: pass",
    )
    for code, hung in ((waits, True), (works, False)):
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout and process.stdout.readline() == "1\n"
            assert any(hang.hangs(process) for _ in range(30 if hung else 1)) == hung  # it may not wait yet
            process.kill()
