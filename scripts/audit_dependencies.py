"""Audit every pin of requirements.lock against known vulnerabilities by pip-audit.

Exit code 1 if one has a hole that is known. Where pip-audit or its database cannot be reached, one line says so and
the exit code is 0: nothing was found out, which is no failure of what is pinned.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

LOCK = Path(__file__).resolve().parents[1] / "requirements.lock"

# By uv, in an environment of its own: pip-audit brings a pip with it, which in the lock would replace the one that
# is installing the lock.
COMMAND = ("uvx", "--quiet", "--from", "pip-audit>=2.9", "pip-audit", "--disable-pip", "--require-hashes",
           "--progress-spinner", "off", "--timeout", "10", "--format", "json", "--requirement")  # fmt: skip

PROBING, AUDITING = 20, 35
"""Seconds for the first pin, which tells whether there is a database at all, and for all of them."""


def entries(lock: str) -> list[str]:
    """The pins with their hashes, one string each."""
    kept = [line for line in lock.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return [entry for entry in "\n".join(kept).replace("\\\n", " ").splitlines() if entry]


def answers(pins: Iterable[str], seconds: float) -> list[dict[str, Any]] | None:
    """What pip-audit says of each pin; None if it could not be run, or not in time."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(pins))
        file.flush()
        try:
            done = subprocess.run([*COMMAND, file.name], capture_output=True, text=True, timeout=seconds)
        except (OSError, subprocess.TimeoutExpired):
            return None
    try:
        return list(json.loads(done.stdout)["dependencies"])
    except (ValueError, KeyError):
        return None


def told(found: list[dict[str, Any]] | None) -> tuple[list[str], int]:
    """The lines to print and the exit code. A pin that the database does not know is not one without a hole."""
    audited = [one for one in found or () if "skip_reason" not in one]
    if not found or not audited:
        return ["dependencies: not audited, the database of pip-audit cannot be reached from here"], 0
    holes = [(one, hole) for one in audited for hole in one["vulns"]]
    lines = [
        f"{one['name']} {one['version']}: {hole['id']}, mended in {', '.join(hole['fix_versions']) or 'no release'}"
        for one, hole in holes
    ]
    unknown = [one["name"] for one in found if "skip_reason" in one]
    lines += [f"not audited: {', '.join(unknown)}"] if unknown else []
    return [*lines, f"dependencies: {len(audited)} audited, {len(holes)} known vulnerabilities"], int(bool(holes))


def main() -> int:
    pins = entries(LOCK.read_text("utf-8"))
    known = answers(pins[:1], PROBING)
    lines, code = told(answers(pins, AUDITING) if any("skip_reason" not in one for one in known or ()) else known)
    print("\n".join(lines))
    return code


if __name__ == "__main__":
    sys.exit(main())
