"""R17, R19: the same bits in fresh processes, alone or among others, on one device or several."""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from shutil import which
from typing import Any

import jax
import numpy as np

from checks.row import Row
from subtheory.kernels.compiled import Kernels
from subtheory.networks import NETWORKS
from subtheory.numerics import float64
from subtheory.theory.layout import Layout

SCRIPTS = Path(__file__).parents[1]

# R17 ----------------------------------------------------------------------------------------------

PROCESSES = 20

ASKED = ("verify", "alignment-is-ggn-form", "cosine-limit", "--network", "linear,mlp", "--loss", "squared-error,kl",
         "--seeds", "2", "--quick", "--json", "--fresh")  # fmt: skip

COMMAND = """
import sys
from subtheory import cli, session
from subtheory.verification import judgement
judgement.FEW = 0
code = cli.main()
print("programs of others:", session.Programs.others[0], file=sys.stderr)
sys.exit(code)
"""
"""`subtheory`, but that no verification has too few parts for a second process; and it says what that one was for."""


def hashed(ledger: str, i: int) -> str:
    """SHA-256 of what one process prints, without its provenance.

    On one core or two, told of one or not, compiling afresh or not, alone or with a second process.
    """
    pinned = ["taskset", "-c", "0" if i % 2 else "0,1"] if which("taskset") and (os.cpu_count() or 1) > 1 else []
    second = i % 5 == 4
    words = [*pinned, sys.executable, "-c", COMMAND, *ASKED, "--ledger", ledger, "-j", "2" if second else "1"]
    words += ["--no-cache"] * (i % 10 == 3)
    env = {name: value for name, value in os.environ.items() if name != "NPROC"} | ({"NPROC": "1"} if i % 3 else {})
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=True)
    if ("programs of others: 0" in done.stderr) is second:
        return f"{'no' if second else 'a'} second process worked"
    found = json.loads(done.stdout)
    del found["provenance"]
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()


def r17(quick: bool = False) -> Row:
    row = Row(
        "bit for bit in fresh processes", f"{PROCESSES} processes, on 1 core or 2, alone or with a second: one hash"
    )
    with tempfile.TemporaryDirectory() as ledger:
        first = ""
        for i in (0, 4) if quick else range(PROCESSES):
            found = hashed(ledger, i)
            first = first or found
            row.tried("" if found == first else f"process {i}: {found[:12]}, the first {first[:12]}")
    row.found = f"the first is {first[:12]}"
    return row


# R19 ----------------------------------------------------------------------------------------------

SEEDS, ROWS, DEVICES = 16, 5, 4

APART = 1e-12
"""What may differ between programs, relative to the largest."""


def drawn(name: str) -> tuple[Any, Kernels, np.ndarray, np.ndarray, np.ndarray]:
    """A network, its kernels, θ and Δ (SEEDS, P), and inputs."""
    network = NETWORKS[name]
    with float64():
        params = [jax.tree.map(np.asarray, jax.jit(network.init)(jax.random.key(seed))) for seed in range(SEEDS)]
        x = np.asarray(network.task.labelled(jax.random.key(99), ROWS)[0])
    layout = Layout.of(params[0])
    theta = np.stack([layout.flatten(one) for one in params])
    return network, Kernels.of(network, params[0], x[0]), theta, theta[::-1].copy(), x


def measured(f: Kernels, theta: np.ndarray, delta: np.ndarray, x: np.ndarray) -> list[np.ndarray]:
    """What claims are made of: f, JΔ, the next order, Jᵀ1."""
    taylor = f.taylor(theta, delta, x)
    return [np.asarray(part) for part in (*taylor, f.pulls(theta, np.ones_like(np.asarray(taylor.z0)), x))]


def by_jax(network: Any, f: Kernels, theta: np.ndarray, x: np.ndarray, one_by_one: bool) -> np.ndarray:
    """f of all seeds by `jax.vmap` or `jax.lax.map`, in a program that is no kernel."""

    def of(flat: Any) -> Any:
        return jax.vmap(lambda row: network.apply(f.layout.unflatten(flat), row))(x)

    with float64():
        whole = jax.jit((lambda all: jax.lax.map(of, all)) if one_by_one else jax.vmap(of))
        return np.asarray(whole(theta))


ON_ALL = """
import sys
import numpy as np
from checks import bits
from subtheory import session
from subtheory.kernels.devices import count
session.configure(cache=False, devices="all")  # of a CPU one alone is used unless it is told
assert count() == bits.DEVICES
_, *all_seeds = bits.drawn(sys.argv[1])
np.savez(sys.argv[2], *bits.measured(*all_seeds))
"""


def on_devices(name: str) -> list[np.ndarray]:
    """What is measured in a process that lays its rows over `DEVICES` devices."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={DEVICES}"
    path = f"{SCRIPTS}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "all.npz")
        subprocess.run([sys.executable, "-c", ON_ALL, name, str(file)], check=True,
                       env=os.environ | {"XLA_FLAGS": flags, "PYTHONPATH": path})  # fmt: skip
        with np.load(file) as found:
            return [found[part] for part in found.files]


def apart(ones: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> float:
    """How far arrays differ, relative to the largest entry of each."""
    return max(
        float(np.abs(one - other).max() / (np.abs(one).max() or 1.0))
        for one, other in zip(ones, others, strict=True)
    )  # fmt: skip


def r19(quick: bool = False) -> Row:
    """Kernels on one seed and on a stack are to be the same bits; other programs, and several devices, near."""
    row = Row("one seed, many seeds, several devices", f"kernels: the same bits; others: ≤ {APART:g}")
    furthest = dict[str, tuple[float, str]]()
    for name in ("mlp",) if quick else NETWORKS:
        network, f, theta, delta, x = drawn(name)
        together = measured(f, theta, delta, x)
        for i in range(SEEDS):
            alone = measured(f, theta[i], delta[i], x)
            same = all(np.array_equal(one, many[i]) for one, many in zip(alone, together, strict=True))
            row.tried("" if same else f"{name}: seed {i} alone has other bits than among {SEEDS}")
        far = {how: apart(together[:1], [by_jax(network, f, theta, x, how == "map")]) for how in ("vmap", "map")}
        if not quick:
            far[f"{DEVICES} devices"] = apart(together, on_devices(name))
        for how, distance in far.items():
            furthest[how] = max(furthest.get(how, (0.0, name)), (distance, name))
            row.tried("" if distance <= APART else f"{name}: {how} is {distance:.1e} apart")
    row.found = ", ".join(f"{how} at most {distance:.1e} apart ({name})" for how, (distance, name) in furthest.items())
    return row
