"""`subtheory audit`: how far the verdicts can be trusted; errors are planted, and have to be noticed."""

import json
from argparse import Namespace

from subtheory.cli import environment
from subtheory.cli.output import print_json, print_table, writable
from subtheory.cli.progress import progress


def main(options: Namespace) -> int:
    """Exit code 1 if a check misses its target."""
    folder = writable(options.out) if options.out else None
    environment.prepare(cache=not options.no_cache)
    from subtheory import table
    from subtheory.audit import audit
    from subtheory.files import write_atomic

    with progress("audit") as tell:
        found = audit(options.quick, tell)
    stated = found.stated()
    if folder:
        write_atomic(folder / "audit.json", json.dumps(stated, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
        write_atomic(folder / "audit.csv", table.to_csv(found.rows))
    if options.json:
        print_json(stated)
        return 0 if found.ok else 1
    if not options.quiet:
        print_table("audit", found.rows)
    missed = [check.row for check in found.checks if not check.ok]
    print(f"misses its target: {', '.join(missed)}" if missed else "every check meets its target")
    return 0 if found.ok else 1
