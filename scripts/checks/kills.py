"""R1, R2 and a verification: processes killed at random, again and again, and what is then kept."""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from checks import toy
from checks.row import Row

SECONDS = 0.01
"""Of a cell."""


def r1(quick: bool = False) -> Row:
    """Two processes on 800 cells, one or both of them killed, run again until all is there."""
    row = Row(
        "killed at random while a sweep runs", "≥ 60 kills: 0 lost, 0 twice, 0 corrupt accepted, 0 temporary files"
    )
    kills, rng, count, rounds = 3 if quick else 60, random.Random(1), 20 if quick else 400, 0
    with tempfile.TemporaryDirectory() as home:
        while row.count < kills:
            rounds += 1
            file, folder, log = (Path(home) / f"{rounds}{ending}" for ending in (".toml", "", ".log"))
            file.write_text(toy.text(count))
            while (row.count < kills) and not _finished(
                toy.started(file, folder, log, "-j", "2", seconds=SECONDS), rng, row
            ):
                pass
            last = toy.started(file, folder, log, seconds=0.0)
            if code := toy.ended(last):
                row.missed.append(f"the last run: exit code {code}")
            row.missed += toy.faults(folder, toy.planned(count))
            again = len(toy.computed(log)) - 2 * count
            row.found += f"{again} of {2 * count} cells begun again; "
    row.found = row.found.removesuffix("; ")
    return row


def _finished(process: "subprocess.Popen[str]", rng: random.Random, row: Row) -> bool:
    """Kill a process, or one of its workers and then it, unless it is done before."""
    assert process.stdout
    process.stdout.readline()
    time.sleep(rng.uniform(0.0, 0.8))
    if rng.random() < 0.3 and (workers := _children(process.pid)):
        _kill(rng.choice(workers))
        row.tried()
        time.sleep(rng.uniform(0.0, 0.4))
    if process.poll() is None:
        os.kill(process.pid, signal.SIGKILL)
        row.tried()
    return toy.ended(process) == 0


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _children(pid: int) -> list[int]:
    """Processes that a process has spawned, but for the one that cleans up behind it."""
    found = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(pid)], capture_output=True, text=True).stdout
    return [int(line.split()[0]) for line in found.splitlines() if "spawn_main" in line]


def r2(quick: bool = False) -> Row:
    """A Dask cluster of two workers on this machine: a worker is killed, or the client, until all is there."""
    row = Row("a Dask worker killed, and the client", "≥ 20 each: the same, without a hand")
    each, count = (1, 60) if quick else (20, 5000)
    with tempfile.TemporaryDirectory() as home, cluster(Path(home) / "log") as (address, workers):
        file, folder, log = (Path(home) / name for name in ("toy.toml", "sweep", "log"))
        file.write_text(toy.text(count))
        done = survived(
            lambda: toy.started(file, folder, log, "--dask", address, seconds=SECONDS), workers, log, each, row
        )
        row.missed += [] if done else ["it was not complete at the end"]
        row.missed += toy.faults(folder, toy.planned(count))
        row.found = f"{each} of each; {len(toy.computed(log)) - 2 * count} of {2 * count} cells begun again"
    return row


def survived(
    begin: Callable[[], "subprocess.Popen[str]"], workers: Callable[[], list[int]], log: Path, each: int, row: Row,
) -> bool:  # fmt: skip
    """Kill a worker and the client in turn, so often; then let it end. Whether the last client found all complete."""
    rng = random.Random(2)
    for _ in range(each):
        client = begin()
        assert client.stdout
        client.stdout.readline()
        before = len(toy.computed(log))
        while len(toy.computed(log)) == before or not (there := workers()):  # killed at work, not before
            time.sleep(0.1)
        time.sleep(rng.uniform(0.0, 0.5))
        _kill(rng.choice(there))
        row.tried()
        time.sleep(rng.uniform(0.0, 1.0))
        row.tried("" if client.poll() is None else "the client had ended before it was killed")
        _kill(client.pid)
        toy.ended(client)
    return toy.ended(begin()) == 0


def verification(quick: bool = False) -> Row:
    """A verification killed five times, each at a random part, beside one left alone: the same, and nothing twice."""
    row = Row("a verification killed five times, then run again", "the same bits; nothing kept is computed again")
    claims = ["trait-loss-falls"] if quick else []
    asked = [*claims, "--quick", "--network", "mlp,convnet", "--json", "-j", "2"]
    words = [sys.executable, "-m", "subtheory", "verify", *asked]
    rng, parts = random.Random(3), dict[str, int]()
    with tempfile.TemporaryDirectory() as home:
        start = time.perf_counter()
        alone = subprocess.run([*words, "--ledger", f"{home}/alone"], capture_output=True, text=True)
        whole = time.perf_counter() - start
        for k in sorted(rng.sample(range(_count(Path(home) / "alone") - 1), 5)):
            killed = subprocess.Popen([*words, "--ledger", f"{home}/killed"], stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL, start_new_session=True)  # fmt: skip
            while killed.poll() is None and _count(Path(home) / "killed") <= k:
                time.sleep(0.02)
            row.tried("" if killed.poll() is None else "it had ended before it was killed")
            with suppress(ProcessLookupError):
                os.killpg(killed.pid, signal.SIGKILL)
            killed.wait()
            row.missed += _changed(parts, Path(home) / "killed")
        kept = len(parts)
        last = subprocess.run([*words, "--ledger", f"{home}/killed"], capture_output=True, text=True)
        row.missed += _changed(parts, Path(home) / "killed")
        if alone.returncode or last.returncode or _verdicts(alone.stdout) != _verdicts(last.stdout):
            row.missed.append(
                f"other verdicts: exit codes {alone.returncode} and {last.returncode} {last.stderr[-200:]}"
            )
    row.found = f"{len(parts)} parts, {kept} of them kept by those that were killed; {whole:.0f} s if left alone"
    return row


def _count(folder: Path) -> int:
    """Records that are kept."""
    return sum(1 for _ in folder.rglob("*.npz"))


def _changed(known: dict[str, int], folder: Path) -> list[str]:
    """Parts that were computed again; all that there are become known."""
    now = {path.name: path.stat().st_mtime_ns for path in folder.rglob("[0-9a-f]*.json")}
    again = [f"{name} was computed again" for name, when in known.items() if now.get(name) != when]
    known.update(now)
    return again


def _verdicts(text: str) -> Any:
    """What a verification says, but for when and where it was."""
    said = json.loads(text or "{}")
    return [said.get("ok"), said.get("claims")]


@contextmanager
def cluster(log: Path) -> Iterator[tuple[str, Callable[[], list[int]]]]:
    """Address of a scheduler with two workers, and a function that says the numbers of the processes that answer."""
    import dask
    from distributed import Client, LocalCluster

    # A local cluster gives up a worker that is not there at some moment after it was lost; a nanny does not.
    dask.config.set({"distributed.deploy.lost-worker-timeout": "1h"})
    about = {toy.TOY: "1", toy.SECONDS: str(SECONDS), toy.LOG: str(log)}
    with LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, preload=[toy.__file__], env=about,
    ) as found, Client(found) as asking:  # fmt: skip
        # One that is killed while it starts is given up by its nanny, too: it has to answer first.
        yield found.scheduler_address, lambda: list(asking.run(os.getpid, on_error="ignore").values())
