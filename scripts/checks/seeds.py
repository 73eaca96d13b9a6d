"""R20: the same verdicts from other seeds. R21: and on a GPU, where there is one."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import jax

from checks.row import Row
from subtheory.claims import CLAIMS
from subtheory.cli import environment
from subtheory.networks import NETWORKS
from subtheory.theory.losses import LOSSES
from subtheory.verification import grid
from subtheory.verification.plan import How
from subtheory.verification.results import Verification
from subtheory.verification.verdicts import verify_settings

SEEDS, STEP, EACH = 20, 1000, 2
"""Base seeds, their distance, and runs from each."""

SMALL = ("linear", "mlp", "mlp-relu")
"""Networks: linear in θ, smooth, and with kinks."""


def verified(first: int, names: Iterable[str] = grid.QUICK, claims: Iterable[str] = tuple(CLAIMS)) -> Verification:
    """What `subtheory verify --quick --seed FIRST` finds, in this process: what is compiled serves the next seed."""
    networks = [NETWORKS[name] for name in names]
    settings = grid.cells(grid.runs(networks, None, True), list(LOSSES.values()), True)
    numbers = tuple(range(first, first + EACH))
    return verify_settings([CLAIMS[name] for name in claims], settings, numbers, how=How("quick", ours=True))


def verdicts(found: Verification) -> dict[str, str]:
    """Of every claim, and of it without each assumption: a control's word is whether it broke as declared."""
    said = {claim.name: str(claim.verdict) for claim in found.claims}
    return said | {f"{c.name} without {one.without}": one.shown for c in found.claims for one in c.tried}


def changed(known: dict[str, str], found: dict[str, str]) -> list[str]:
    """What is said otherwise than before, or no longer."""
    return [f"{name}: {was}, then {found.get(name)}" for name, was in known.items() if found.get(name) != was]


def r20(quick: bool = False) -> Row:
    """The verdicts of the usual seeds again from others; a change between any two words counts."""
    row = Row("other seeds", f"{SEEDS} base seeds: the same verdicts")
    claims = list(CLAIMS)[:4] if quick else list(CLAIMS)
    environment.prepare("cpu")
    known = verdicts(verified(0, SMALL, claims))
    for k in range(1, 2 if quick else SEEDS + 1):
        start = time.process_time()
        found = changed(known, verdicts(verified(STEP * k, SMALL, claims)))
        row.tried("; ".join(f"seed {STEP * k}: {one}" for one in found))
        shown = "; ".join(found) or "nothing changed"
        print(f"seed {STEP * k}, {time.process_time() - start:.0f} CPU s: {shown}", file=sys.stderr, flush=True)
    row.found = f"{len(known)} verdicts each"
    return row


def r21(quick: bool = False) -> Row:
    """The verdicts of a GPU, twice, beside those of a CPU; where JAX finds no GPU, it says so and nothing is tried."""
    row = Row("on a GPU", "the same verdicts as on a CPU, twice")
    environment.settle()  # deterministic operations; read when JAX starts
    if jax.default_backend() != "gpu":
        row.skipped = "not measured: JAX finds no GPU here"
        return row
    code = (
        "import json; from checks.seeds import *; environment.settle('cpu'); print(json.dumps(verdicts(verified(0))))"
    )
    path = f"{Path(__file__).parents[1]}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    elsewhere = os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": path}
    cpu = subprocess.run([sys.executable, "-c", code], env=elsewhere, capture_output=True, text=True, check=True)
    for _ in range(1 if quick else 2):
        row.tried("; ".join(changed(json.loads(cpu.stdout), verdicts(verified(0)))))
    return row
