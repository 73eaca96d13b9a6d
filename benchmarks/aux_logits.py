"""What does the paper's digit classifier on noise cost, next to a PyTorch script that does the same? Both in one run.

    python benchmarks/aux_logits.py --data mnist.npz --peer SCRIPT --peer-python PYTHON

The same work on both sides: N models, each a teacher of five epochs on MNIST and four students of five epochs on noise
(auxiliary or all logits, from the teacher's init or the next model's), and the accuracies of all. The two are processes
of one thread each that run at the same time, pinned to a core of their own where there are two; on a GPU they run in
turn. CPU seconds, peak memory and wall time are of the whole process, importing and compiling included. Accuracies
stand beside them: their intervals must overlap, or the two did not do the same.

The peer takes --data, --models, --threads, --device and prints one JSON line with total_cpu_s, total_wall_s,
peak_rss_mib and accuracy.NAME.each. It stores its noise and takes an incomplete last batch, ours regenerates its noise
and leaves that batch out: 58 steps an epoch for its 59.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from typing import Any

from usage import peak

ARMS = {"aux": "aux", "all": "all", "cross_aux": "aux", "cross_all": "all"}
"""Students by the peer's name, and what they imitate."""

ONE_THREAD = "--xla_cpu_multi_thread_eigen=false"
LEVEL = "--xla_backend_optimization_level=1"
"""The optimization level that the command line sets."""


def ours(a: argparse.Namespace) -> dict[str, Any]:
    """Our side, in this process: chunks of models as `experiments/aux_logits.py` trains them."""
    start = time.perf_counter()
    import jax
    import numpy as np

    from subtheory.data import MNIST
    from subtheory.trained.images import (
        Schedule,
        Workload,
        accuracy,
        digit_network,
        imitate,
        inits,
        mnist_images,
        teach,
    )

    images = mnist_images(a.data)
    schedule = Schedule(rate=3e-4, batch=a.batch, epochs=a.epochs)
    workload = Workload(digit_network(a.width, task=MNIST), teacher=schedule, student=schedule, rows=a.rows)
    keys = jax.random.split(jax.random.key(a.seed), a.models)
    found: dict[str, list[float]] = {name: [] for name in ("reference", "teacher", *ARMS)}
    chunk = 1 if jax.default_backend() == "cpu" else a.models
    stages = {"teacher": 0.0, "students": 0.0}
    for first in range(0, a.models, chunk):
        mine = np.arange(first, min(first + chunk, a.models))
        theta0, other = (inits(workload, keys[at]) for at in (mine, (mine + 1) % a.models))
        began = time.process_time()
        taught = teach(workload, theta0, images, keys[mine])
        stages["teacher"] += time.process_time() - began
        starts = [other if name.startswith("cross") else theta0 for name in ARMS]
        students = jax.tree.map(lambda *leaves: np.stack(leaves, axis=1), *starts)
        began = time.process_time()
        trained = imitate(workload, students, taught, keys[mine], outputs=list(ARMS.values()))
        stages["students"] += time.process_time() - began
        found["reference"] += accuracy(workload, theta0, images).tolist()
        found["teacher"] += accuracy(workload, taught, images).tolist()
        for name, scores in zip(ARMS, accuracy(workload, trained.params, images).T, strict=True):
            found[name] += scores.tolist()
    return {
        "total_cpu_s": time.process_time(), "total_wall_s": time.perf_counter() - start, "peak_rss_mib": peak(),
        "cpu_s": stages, "accuracy": {name: {"each": each} for name, each in found.items()},
    }  # fmt: skip


def measured(a: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both sides, each a process of its own. This one stays small: a child's peak begins with its parent's."""
    size = [*("--models", str(a.models)), *("--batch", str(a.batch)), *("--seed", str(a.seed))]
    mine = [sys.executable, __file__, "--ours", "--data", a.data, *size]
    mine += [*("--epochs", str(a.epochs)), *("--rows", str(a.rows)), *("--width", str(a.width))]
    theirs = [a.peer_python, a.peer, "--data", a.data, *size, "--threads", "1"]
    theirs += [*("--epochs-teacher", str(a.epochs)), *("--epochs-student", str(a.epochs))]
    theirs += ["--noise-images", str(a.rows), "--hidden", str(a.width), str(a.width)]
    theirs += ["--device", "cuda" if a.device == "gpu" else "cpu"]
    flags = f"{ONE_THREAD} {LEVEL}" if a.device == "cpu" else "--xla_gpu_deterministic_ops=true"
    quiet = os.environ | {
        "JAX_PLATFORMS": "cuda" if a.device == "gpu" else "cpu", "XLA_FLAGS": flags, "NPROC": "1",
        "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive",
    }  # fmt: skip
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    apart = len(cores) > 1 and a.device == "cpu"
    began = []
    for i, command in enumerate((mine, theirs)):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=quiet)
        if apart:
            os.sched_setaffinity(process.pid, {cores[i]})
        else:
            process.wait()
        began.append(process)
    answers = []
    for process in began:
        out, _ = process.communicate()
        if process.returncode:
            raise SystemExit(f"{process.args[1]} ended with {process.returncode}")
        answers.append(json.loads(out.splitlines()[-1]))
    return answers[0], answers[1]


def rows_of(mine: dict[str, Any], theirs: dict[str, Any]) -> list[dict[str, Any]]:
    """A row a quantity: ours, the peer's, ours over the peer's; accuracies as means with Student intervals."""
    rows: list[dict[str, Any]] = [
        {"quantity": title, "ours": f"{mine[key]:.1f}", "peer": f"{theirs[key]:.1f}", "ratio": mine[key] / theirs[key]}
        for title, key in (("CPU s", "total_cpu_s"), ("wall s", "total_wall_s"), ("peak MiB", "peak_rss_mib"))
    ]
    for name in mine["accuracy"]:
        if name in theirs["accuracy"]:
            both = [interval(side["accuracy"][name]["each"]) for side in (mine, theirs)]
            rows.append({"quantity": f"accuracy, {name}", "ours": both[0], "peer": both[1], "ratio": None})
    return rows


def interval(values: list[float]) -> str:
    """Mean ± half-width of the 95 % Student interval."""
    from subtheory.statistics import mean_interval  # only now: both sides have ended

    if len(values) < 2:
        return f"{values[0]:.3f}"
    mean, low, _ = mean_interval(values)
    return f"{mean:.3f} ± {mean - low:.3f}"


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, metavar="NPZ", help="mnist.npz: x_train y_train x_test y_test, uint8")
    parser.add_argument("--peer", metavar="SCRIPT", help="the PyTorch script to compare with")
    parser.add_argument("--peer-python", metavar="PYTHON", default=sys.executable, help="interpreter that has torch")
    parser.add_argument("--models", type=int, default=10)
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("--epochs", type=int, default=5, help="of teacher and students")
    parser.add_argument("--rows", type=int, default=60_000, help="noise images of a model")
    parser.add_argument("--width", type=int, default=256, help="units of both hidden layers")
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--ours", action="store_true", help="our side alone, in this process, as one JSON line")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Run both sides, or ours alone, and print what they took."""
    a = arguments(argv)
    if a.ours or not a.peer:
        print(json.dumps(ours(a)))
        return
    mine, theirs = measured(a)
    rows = rows_of(mine, theirs)
    if a.json:
        print(json.dumps({"rows": rows, "ours": mine, "peer": theirs}))
        return
    for row in [{"quantity": "", "ours": "ours", "peer": "peer", "ratio": "ours/peer"}, *rows]:
        ratio = row["ratio"] if isinstance(row["ratio"], str) else "" if row["ratio"] is None else f"{row['ratio']:.2f}"
        print(f"{row['quantity']:<20}{row['ours']:>18}{row['peer']:>18}{ratio:>12}")


if __name__ == "__main__":
    main()
