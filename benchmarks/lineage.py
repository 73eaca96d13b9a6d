"""What does a lineage answer in, once it is open, next to going through its file? Both sides in one run.

    python benchmarks/lineage.py              10⁵ edges
    python benchmarks/lineage.py --edges 1000 --json

A record of random models and data sets is written; every generator has one init and one or two data sets that it was
trained on. Opening is timed for it and for its first half, which tells whether it is linear. Then the same questions go
to the open record and, in turn, to a scan that reads the lines, checks nothing, and follows an edge by looking for the
name from the first line on; the answers must agree. CPU seconds, medians.
"""

import argparse
import hashlib
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from subtheory import table
from subtheory.lineage import Lineage, record

ROOTS, BACK = 20, 200
"""Inits of their own; how many models back a training starts at most."""


def entries(edges: int, rng: np.random.Generator) -> list[record.Entry]:
    """Models and the data that each generates, in turn, with about so many edges."""
    found, count = [], 0
    for i in range(edges):
        if count >= edges:
            break
        model: record.Entry = {"model": f"m{i}", "hash": hashlib.sha256(b"m%d" % i).hexdigest()}
        if i >= ROOTS:
            model["initialised_from"] = f"m{rng.integers(max(0, i - BACK), i)}"
            model["trained_on"] = sorted({f"d{j}" for j in rng.integers(max(0, i - BACK), i, rng.integers(1, 3))})
            count += 1 + len(model["trained_on"])
        data = {"data": f"d{i}", "hash": hashlib.sha256(b"d%d" % i).hexdigest(), "generated_by": f"m{i}"}
        found += [model, data | {"view": "full", "channel": "prompts"}]
        count += 1
    return found


def write(path: Path, said: list[record.Entry]) -> None:
    """The file that `Lineage` would have written, without waiting for the disk at each line."""
    lines, after = [], record.FORMAT
    for entry in said:
        line, after = record.sealed(entry, after)
        lines.append(line)
    path.write_bytes(b"".join(lines))


def scanned(path: Path, data: str, student: str) -> bool:
    """Whether the student is among what the generator was initialised from, each edge looked for from the first one."""
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]

    def said(kind: str, name: str) -> record.Entry:
        return next(entry for entry in lines if entry.get(kind) == name)

    at = said("data", data).get("generated_by")
    while at not in (None, student):
        at = said("model", at).get("initialised_from")
    return at == student and said("data", data)["generated_by"] != student


def seconds(run: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds, and what came back."""
    start = time.process_time()
    found = run()
    return time.process_time() - start, found


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edges", type=int, default=100_000)
    parser.add_argument("--questions", type=int, default=5, help="to both sides (default 5)")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    rng = np.random.default_rng(0)
    said = entries(options.edges, rng)
    with tempfile.TemporaryDirectory() as folder:
        whole, half = Path(folder, "whole.jsonl"), Path(folder, "half.jsonl")
        write(whole, said)
        write(half, said[: len(said) // 2])
        opening, lineage = seconds(lambda: Lineage.open(whole))
        opening_half, _ = seconds(lambda: Lineage.open(half))
        models = len(said) // 2
        asked = [(f"d{i}", f"m{rng.integers(ROOTS)}") for i in rng.integers(models // 2, models, options.questions)]
        both = []
        for data, student in asked:
            ours, found = seconds(lambda d=data, s=student: lineage.shares_init(d, s))
            plain, shared = seconds(lambda d=data, s=student: scanned(whole, d, s))
            if found.shared != shared:
                raise SystemExit(f"{data}, {student}: {found.relation}, and the scan says {shared}")
            both.append((ours, plain))
    ask, scan = (statistics.median(side) for side in zip(*both, strict=True))
    row = {"lines": len(said), "open_s": opening, "half_s": opening_half, "ask_s": ask, "scan_s": scan}
    print(json.dumps(row) if options.json else table.to_text([row | {"ratio": scan / ask}]))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
