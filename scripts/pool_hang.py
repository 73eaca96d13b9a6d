"""Do two threads that run XLA programs in one process wait for each other for ever? How often, over fresh processes.

    python scripts/pool_hang.py

A run is a process whose two threads compile and run programs of their own: products of matrices in a loop, sorts and
reductions, operations one by one in between, and results taken to NumPy. It has hung if it has not ended after the
time-out and all its threads sleep, with no CPU time between them for a while; its stacks are printed, XLA's own too
where there is gdb. Rates are shares of runs with their exact 95 % interval. Linux's `/proc` says what threads do.
"""

import argparse
import faulthandler
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

WAYS: dict[str, dict[str, str]] = {
    "as it is": {},
    "--xla_cpu_multi_thread_eigen=false": {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"},
    "NPROC=1": {"NPROC": "1"},
}
"""Environments by name."""

QUIET = 10
"""Seconds of sleep, looked at every second, after which a run that is late has hung."""

EACH = 20
"""Runs of a program."""


def busy(turns: int, size: int) -> int:
    """In this process, two threads with so many programs each; how often programs were run."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    jax.config.update("jax_enable_x64", True)
    faulthandler.register(signal.SIGUSR1)
    runs = [0, 0]

    def work(thread: int) -> None:
        for turn in range(turns):
            n = size + 8 * turn + thread  # a shape of its own: compiled anew in every turn

            def several(x: Any) -> Any:
                y = jax.lax.fori_loop(0, 8, lambda _, y: jnp.tanh(y @ x / x.shape[0]), x)
                return jnp.sort(y, axis=-1), jnp.linalg.norm(y, axis=0)

            program, x = jax.jit(several), np.linspace(-1, 1, n * n).reshape(n, n)
            for _ in range(EACH):
                parts = program(x)
                np.asarray(parts[0] / (1.0 + parts[1]))
                runs[thread] += 1

    threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(runs)


def state(pid: int) -> tuple[bool, int]:
    """Whether all threads of a process sleep, and the CPU time that it has used so far, in ticks."""
    asleep, ticks = True, 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        words = (task / "stat").read_text().rpartition(")")[2].split()
        asleep, ticks = asleep and words[0] == "S", ticks + int(words[11]) + int(words[12])
    return asleep, ticks


def hangs(process: subprocess.Popen[str]) -> bool:
    """Whether nothing happens in a process: one that only waits for a core does not sleep."""
    before = state(process.pid)
    for _ in range(QUIET):
        time.sleep(1)
        if process.poll() is not None or state(process.pid) != before or not before[0]:
            return False
    return True


def run(a: argparse.Namespace, extra: dict[str, str]) -> tuple[int, str]:
    """One process: how often it ran programs, and its stacks if it hung."""
    command = [sys.executable, __file__, "--busy", str(a.turns), "--size", str(a.size)]
    with tempfile.TemporaryFile("w+") as said:
        environment = os.environ | extra
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True, env=environment)
        try:
            while True:
                try:
                    out, _ = process.communicate(timeout=a.timeout)
                    break
                except subprocess.TimeoutExpired:
                    if hangs(process):
                        return 0, stacks(process, said)
            if process.returncode:
                said.seek(0)
                raise SystemExit(f"a run ended with {process.returncode}: {said.read()[-500:]}")
            return int(json.loads(out)), ""
        finally:
            process.kill()
            process.wait()


def stacks(process: subprocess.Popen[str], said: Any) -> str:
    """Of Python's threads, and of all by gdb where it is."""
    process.send_signal(signal.SIGUSR1)
    native = ""
    if shutil.which("gdb"):
        gdb = ["gdb", "-p", str(process.pid), "-batch", "-ex", "thread apply all bt 16"]
        native = subprocess.run(gdb, capture_output=True, text=True).stdout
    time.sleep(1)
    said.seek(0)
    return str(said.read()) + native


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20, help="processes of every environment")
    parser.add_argument("--turns", type=int, default=4, help=f"programs of a thread, each run {EACH} times")
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds after which a run is looked at")
    parser.add_argument("--size", type=int, default=192, help="of the first matrix")
    parser.add_argument("--busy", type=int, metavar="TURNS", help="one run in this process")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Run all environments in turn and print a row each, then the first stacks."""
    a = arguments(argv)
    if a.busy is not None:
        print(busy(a.busy, a.size))
        return
    hung, programs, kept = dict.fromkeys(WAYS, 0), dict.fromkeys(WAYS, 0), ""
    for _ in range(a.runs):
        for way, extra in WAYS.items():
            count, found = run(a, extra)
            programs[way] += count
            hung[way] += bool(found)
            kept = kept or found
    from subtheory import table
    from subtheory.statistics import share_interval

    rows = []
    for way in WAYS:
        low, high = map(float, share_interval(hung[way], a.runs))
        rows.append({"environment": way, "runs": a.runs, "programs": programs[way], "hung": hung[way],
                     "rate from": low, "to": high})  # fmt: skip
    print(table.to_text(rows))
    if kept:
        print(kept)


if __name__ == "__main__":
    main()
