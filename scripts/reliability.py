"""How reliable the program is where the theory says nothing: one row of docs/trust.md, measured by one command.

python scripts/reliability.py R4            # prints what was tried and what missed its target; exit code 1 if any
python scripts/reliability.py R4 --quick    # a few of each kind, as the tests run it
"""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

CHECKS = {
    "R4": "records", "R5": "places", "R6": "inputs", "R7": "hostile", "R8": "loaders", "R17": "bits",
    "R19": "bits", "R20": "seeds", "R21": "seeds", "R22": "finite", "R26": "pages", "R27": "pages", "R28": "pages",
    "R16": "identities", "R1": "kills", "R2": "kills", "R3": "ledger", "R29": "ledger", "R32": "ledger",
    "verification": "kills",
}  # fmt: skip
"""The module of `checks` whose function of this name, in small letters, makes the row."""


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("row", choices=CHECKS)
    parser.add_argument("--quick", action="store_true", help="a few of each kind")
    given = parser.parse_args(words)
    row = getattr(import_module(f"checks.{CHECKS[given.row]}"), given.row.lower())(given.quick)
    print(f"{given.row} {row}")
    for line in row.missed:
        print(f"  missed: {line}", file=sys.stderr)
    return 0 if row.ok or row.skipped else 1


if __name__ == "__main__":
    sys.exit(main())
