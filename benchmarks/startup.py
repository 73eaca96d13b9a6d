"""What does it cost to begin? CPU and wall seconds and peak memory of commands and first calls, in fresh processes.

    python benchmarks/startup.py

A first call measures the theorem on one network of every built-in kind (one seed, six ε, cross-entropy: D, ΔᵀGΔ,
cosine, change of the trait loss), with nothing compiled before and nothing on disk; importing is in it. Compiling, of
so many programs, are the CPU seconds that the call takes beyond those of the same call on another seed. Processes take
turns, and each number is the median of the repeats. A process's peak begins with that of whoever starts it, so this
one imports nothing large.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

Row = dict[str, Any]

COMMANDS = {
    "an empty Python": ["-c", "pass"],
    "import subtheory": ["-c", "import subtheory"],
    "import jax": ["-c", "import jax"],
    "subtheory --help": ["-m", "subtheory", "--help"],
    "subtheory claims": ["-m", "subtheory", "claims"],
    "known answers": ["-c", "from subtheory import known_answers; known_answers.require()"],
}
"""Arguments of the interpreter by what is done."""


def fresh(arguments: Sequence[str]) -> tuple[Row, str]:
    """A process of its own: what it took and what it printed. Raises SystemExit if it fails."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    with process.stdout as pipe:
        out = pipe.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(arguments)} ended with {process.returncode}")
    cpu = usage.ru_utime + usage.ru_stime
    return {"cpu_s": cpu, "wall_s": time.perf_counter() - start, "peak_MiB": usage.ru_maxrss / 1024}, out


def kinds() -> list[str]:
    """The first built-in network of every class."""
    from subtheory.networks import NETWORKS

    first: dict[type, str] = {}
    for name, network in NETWORKS.items():
        first.setdefault(type(network), name)
    return list(first.values())


def first_call(name: str) -> Row:
    """In this process: measure one network; how many programs were made, and in how many CPU seconds."""
    from subtheory import session
    from subtheory.cli import environment

    environment.prepare(cache=False)
    from subtheory.instruments.first_order import FirstOrder
    from subtheory.networks import NETWORKS
    from subtheory.setting.setting import Setting
    from subtheory.theory.losses import CrossEntropy

    def seconds(seed: int) -> float:
        start = time.process_time()
        FirstOrder().records(setting, (seed,), [setting.loss])
        return time.process_time() - start

    setting = Setting(NETWORKS[name], CrossEntropy())
    compiling = seconds(0) - seconds(1)
    return {"programs": session.Programs.asked, "compiling_cpu_s": compiling}


def medians(rows: Sequence[Row]) -> Row:
    """The median of every number."""
    return {name: statistics.median(row[name] for row in rows) for name in rows[0]}


def measured(repeats: int, networks: Sequence[str], commands: Sequence[str]) -> dict[str, list[Row]]:
    """Rows of commands and of first calls, in turn."""
    found: dict[str, list[Row]] = {}
    for _ in range(repeats):
        for name in commands:
            found.setdefault(name, []).append(fresh(COMMANDS[name])[0])
        for name in networks:
            cost, out = fresh([__file__, "--first", name])
            found.setdefault(name, []).append(cost | json.loads(out))
    return {
        "commands": [{"command": name, **medians(found[name])} for name in commands],
        "first calls": [{"network": name, **medians(found[name])} for name in networks],
    }


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--networks", nargs="+", metavar="NETWORK", help="instead of one of every kind")
    parser.add_argument("--first", metavar="NETWORK", help="one first call in this process, as one JSON line")
    parser.add_argument("--kinds", action="store_true", help="the kinds of networks, as one JSON line")
    parser.add_argument("--tiny", action="store_true", help="one command, one network, once: a smoke test")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Measure and print both tables."""
    a = arguments(argv)
    if a.first or a.kinds:
        print(json.dumps(first_call(a.first) if a.first else kinds()))
        return
    networks = ["linear"] if a.tiny else a.networks or json.loads(fresh([__file__, "--kinds"])[1])
    commands = list(COMMANDS)[3:4] if a.tiny else list(COMMANDS)
    said = measured(1 if a.tiny else a.repeats, networks, commands)
    if a.json:
        print(json.dumps(said))
        return
    from subtheory import table  # only now: all processes have ended

    print("\n\n".join(table.to_text(rows) for rows in said.values()))


if __name__ == "__main__":
    main()
