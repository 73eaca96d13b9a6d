"""Where a number comes from: versions, device, precision, threads, seeds, commit."""

import os
import platform
import subprocess
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np

from subtheory import __version__, known_answers
from subtheory.session import Programs

VARIABLES = ("XLA_FLAGS", "JAX_PLATFORMS", "NPROC", "OMP_NUM_THREADS")


def provenance(seeds: Sequence[int] = (), command: str = "") -> dict[str, Any]:
    """Everything needed to run the same thing again; no clock and no path, so that it is stable."""
    device = jax.devices()[0]
    return {
        "subtheory": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        **{name: version(name) for name in ("jax", "jaxlib", "flax", "optax", "python-flint")},
        "platform": device.platform,
        "device": device.device_kind,
        "devices": jax.device_count(),
        "cores": os.cpu_count(),
        "precision": "float64, matmul highest",
        "known answers": {name: "right" if right else "wrong" for name, right in known_answers.answers().items()},
        "environment": {name: os.environ[name] for name in VARIABLES if name in os.environ},
        "programs": Programs.asked + Programs.others[0],
        "compiled": Programs.asked - Programs.found + Programs.others[0] - Programs.others[1],
        "seeds": list(seeds),
        "commit": commit(),
        "command": command,
    }


def commit() -> str:
    """The checkout's commit, with a + if it has changes; empty outside one."""
    here = Path(__file__).resolve().parent

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=here, capture_output=True, text=True, timeout=10, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""

    try:
        if not git("ls-files", "--error-unmatch", __file__):
            return ""
        return git("rev-parse", "--short=12", "HEAD") + ("+" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.TimeoutExpired):
        return ""
