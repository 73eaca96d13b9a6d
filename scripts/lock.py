"""Write requirements.lock: every pin that tests and proofs need, for every supported Python at once.

The first line keeps a fingerprint of the dependency tables, so that a stale lock is seen offline.
`--upgrade` takes newer releases; without it only what pyproject.toml asks for moves.
"""

import hashlib
import json
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.lock"
EXTRAS = ("dev",)
OLDEST = "3.11"


def tables() -> dict[str, list[str]]:
    """The requirements that the lock answers to, core first."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = {extra: project["optional-dependencies"][extra] for extra in EXTRAS}
    return {"python": [project["requires-python"]], "core": project["dependencies"], **extras}


def first_line() -> str:
    """What a current lock begins with."""
    told = json.dumps({name: sorted(wanted) for name, wanted in tables().items()}, sort_keys=True)
    return f"# Written by `make lock` from dependency tables {hashlib.sha256(told.encode()).hexdigest()}"


def main(arguments: list[str]) -> None:
    # A file that others install from must not hold the mirrors of the machine that wrote it.
    command = ["uv", "pip", "compile", "--no-config", "--no-emit-index-url", "--no-emit-find-links"]
    command += ["--quiet", "--no-header", "--universal", "--python-version", OLDEST, "--generate-hashes"]
    command += [word for extra in EXTRAS for word in ("--extra", extra)]
    subprocess.run([*command, *arguments, "pyproject.toml", "-o", LOCK.name], cwd=ROOT, check=True)
    LOCK.write_text(f"{first_line()}\n{LOCK.read_text('utf-8')}", "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
