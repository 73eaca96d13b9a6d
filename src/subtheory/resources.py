"""Where the files that travel with the package lie, in a checkout and in an installed wheel alike."""

from pathlib import Path

from subtheory.errors import InputError, SubtheoryError

PACKAGE = Path(__file__).resolve().parent
CHECKOUT = PACKAGE.parents[1]


def proofs() -> Path:
    """The folder of the proofs."""
    return _folder("proofs")


def experiments() -> Path:
    """The folder of the experiments."""
    return _folder("experiments")


def schema(name: str) -> Path:
    """The JSON schema of that file name, with or without its ending."""
    found = {path.name: path for path in sorted((PACKAGE / "schemas").glob("*.json"))}
    for ending in ("", ".json", ".schema.json"):
        if name + ending in found:
            return found[name + ending]
    raise InputError("schema", name, f"expected one of {', '.join(found) or 'none: the package ships none'}")


def _folder(name: str) -> Path:
    # A wheel carries a copy inside the package; a checkout keeps the one copy at its top.
    for folder in (PACKAGE / "_bundled" / name, CHECKOUT / name):
        if folder.is_dir():
            return folder
    raise SubtheoryError(f"{name}: found neither in the package nor beside src/, reinstall subtheory")
