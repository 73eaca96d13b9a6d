"""Verdicts in float32 beside those in float64: the same, or none, and never the opposite (R18).

    python scripts/single_precision.py --network mlp --loss squared-error,kl

The words are those of `subtheory verify`, which runs twice, each time in a process of its own: once as it is, and once
with 64-bit JAX off in all that is compiled of networks and losses, and float32's unit roundoff in every tolerance. The
algebra between stays in float64. Exit code 1 if a claim or a control holds in one and fails in the other.
"""

import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from typing import Any

SAID = ("holds", "fails")
"""Verdicts that are opposite to each other; the others say nothing."""


def compute_in_single_precision() -> None:
    """Before anything else is imported: modules take the unit roundoff when they are loaded."""
    import jax
    import numpy as np

    from subtheory import numerics

    numerics.UNIT = float(np.finfo(np.float32).eps) / 2
    from subtheory.kernels import compiled

    in_double = compiled._on_one

    def in_single(*given: Any) -> list[np.ndarray]:
        with jax.enable_x64(False):
            found = in_double(*given)
        return [each.astype(np.float64) if each.dtype == np.float32 else each for each in found]

    compiled._on_one = in_single


def verified(precision: str, words: list[str]) -> dict[str, Any]:
    """What `subtheory verify --json` says."""
    with tempfile.TemporaryDirectory() as folder:
        flags = ["verify", "--quick", "-j", "1", "--json", "--ledger", folder, *words]
        done = subprocess.run([sys.executable, __file__, f"--{precision}", *flags], stdout=subprocess.PIPE, check=False)
    if done.returncode not in (0, 1, 3):
        sys.exit(done.returncode)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def verdicts(found: dict[str, Any]) -> dict[str, str]:
    """Of every claim, and of every control by what it is without."""
    said = {claim["name"]: claim["verdict"] for claim in found["claims"]}
    for claim in found["claims"]:
        said |= {f"{claim['name']} without {one['without']}": one["verdict"] for one in claim["controls"]}
    return said


def pairs(double: dict[str, Any], single: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Name, verdict in float64, verdict in float32, of what was judged in both."""
    mine, other = verdicts(double), verdicts(single)
    return ((name, mine[name], other[name]) for name in mine if name in other)


def reversed_in(double: dict[str, Any], single: dict[str, Any]) -> list[str]:
    """What float32 says the opposite of."""
    return [name for name, one, two in pairs(double, single) if one in SAID and two in SAID and one != two]


def main(words: list[str]) -> int:
    """Run both, print how often each verdict became which, and what was reversed."""
    double, single = (verified(precision, words) for precision in ("double", "single"))
    for kind in ("claims", "controls"):
        counts = Counter(
            (a, b) for name, a, b in pairs(double, single) if (" without " in name) == (kind == "controls")
        )
        print(kind, ", ".join(f"{a} → {b}: {n}" for (a, b), n in sorted(counts.items())))
    for name in (found := reversed_in(double, single)):
        print(f"reversed: {name}")
    print(f"{len(found)} reversed")
    return bool(found)


if __name__ == "__main__":
    if sys.argv[1:2] in (["--double"], ["--single"]):
        if sys.argv[1] == "--single":
            compute_in_single_precision()
        from subtheory.cli import main as command

        sys.exit(command(sys.argv[2:]))
    sys.exit(main(sys.argv[1:]))
