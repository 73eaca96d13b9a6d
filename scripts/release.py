"""A release: one version everywhere, a wheel that the sdist builds byte for byte, sound metadata, and a try of it.

python scripts/release.py             build, compare and check into dist/
python scripts/release.py --smoke     then install the wheel alone into a clean environment, and use it
"""

import argparse
import hashlib
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
import zipfile
from pathlib import Path

from packaging.metadata import Metadata
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]

COMMANDS = (
    "--version",
    "doctor",
    "cite",
    "claims",
    "explain trait-loss-falls",
    "completion bash",
    "certify --network tanh-2-4-2 --loss squared-error",
    "prove --only sympy -q",
    "run eps_ladder --quick -q",
    "verify --quick --network mlp -q --out verified",
)
"""What has to work where there is no checkout; each ends with exit code 0."""

HEADINGS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
"""Of a changelog's entries."""


def versions(root: Path = ROOT) -> dict[str, str]:
    """Where a version is stated, and which."""
    stated = re.search(r'__version__ = "(.+)"', (root / "src/subtheory/_version.py").read_text("utf-8"))
    cited = re.search(r"^version: (\S+)$", (root / "CITATION.cff").read_text("utf-8"), re.M)
    return {"_version.py": stated[1] if stated else "none", "CITATION.cff": cited[1] if cited else "none"}


def faults(root: Path = ROOT) -> list[str]:
    """What of versions and changelog is not in order; a line each."""
    stated = versions(root)
    found = [f"versions differ: {stated}"] if len(set(stated.values())) > 1 else []
    sections: dict[str, list[str]] = {}
    for line in (root / "CHANGELOG.md").read_text("utf-8").splitlines():
        if match := re.fullmatch(r"## \[(.+?)\](?: - (\d{4}-\d\d-\d\d|unreleased))?", line):
            sections[match[1]] = []
        elif line.startswith("## "):
            found.append(f"CHANGELOG.md: {line!r} must be ## [VERSION] - YYYY-MM-DD")
        elif line.startswith("### ") and sections:
            [*sections.values()][-1].append(line[4:])
    for version, headings in sections.items():
        found += [f"CHANGELOG.md [{version}]: {each!r} is no heading" for each in headings if each not in HEADINGS]
        if len(headings) != len(set(headings)):
            found.append(f"CHANGELOG.md [{version}]: a heading stands twice")
    numbers = [Version(each) for each in sections if each != "Unreleased"]
    if next(iter(sections), None) != "Unreleased" or numbers != sorted(numbers, reverse=True):
        found.append("CHANGELOG.md: must begin with [Unreleased], then the latest version")
    return found


def _run(*words: str | Path, cwd: Path = ROOT, env: dict[str, str] | None = None) -> None:
    done = subprocess.run([*map(str, words)], cwd=cwd, env=env, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, words))}: exit code {done.returncode}\n{done.stdout}{done.stderr}")


def built(source: Path, folder: Path, *targets: str) -> list[Path]:
    """What hatchling makes of a checkout or an unpacked sdist, dated by SOURCE_DATE_EPOCH."""
    before = set(folder.glob("*"))
    words = [word for target in targets for word in ("-t", target)]
    _run(sys.executable, "-m", "hatchling", "build", *words, "-d", folder, cwd=source)
    return sorted(set(folder.glob("*")) - before)


def wheel_of(sdist: Path) -> bytes:
    """The bytes of the wheel that an sdist builds, with nothing of a checkout beside it."""
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(sdist) as archive:
            archive.extractall(folder, filter="data")
        (source,) = Path(folder).iterdir()
        (wheel,) = built(source, Path(folder), "wheel")
        return wheel.read_bytes()


def metadata(wheel: Path) -> Metadata:
    """Parsed as an index parses it. Raises ExceptionGroup for a field that is none, or has no such value."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return Metadata.from_email(archive.read(name), validate=True)


def pins(folder: Path) -> Path:
    """The lock as constraints: an index that is asked for a wheel needs no hashes of what it has."""
    text = re.sub(r"\s*\\?\n?\s+--hash=\S+", "", (ROOT / "requirements.lock").read_text("utf-8"))
    path = folder / "constraints.txt"
    path.write_text(text, "utf-8")
    return path


def smoke(wheel: Path) -> None:
    """Install it with the pinned releases of what it needs into an environment of its own, and run `COMMANDS`."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        uv = Path(sys.executable).parent / "uv"
        _run(uv, "venv", "--quiet", "--python", sys.executable, folder / "clean")
        python = folder / "clean" / "bin" / "python"
        _run(uv, "pip", "install", "--quiet", "--python", python, "--constraint", pins(folder), wheel.resolve())
        env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
        env |= {"XDG_CACHE_HOME": str(folder / "cache")}
        for words in COMMANDS:
            start = time.monotonic()
            _run(python.parent / "subtheory", *words.split(), cwd=folder, env=env)
            print(f"  {time.monotonic() - start:6.1f} s  subtheory {words}", flush=True)
        if not (folder / "verified" / "report.html").is_file():
            raise SystemExit("verified/report.html: was not written")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="install the wheel into a clean environment and use it")
    parser.add_argument("--out", default="dist", metavar="DIR")
    options = parser.parse_args()
    if wrong := faults():
        raise SystemExit("\n".join(wrong))
    folder = Path(options.out).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if old := sorted(folder.glob("subtheory-*")):
        raise SystemExit(f"{old[0]}: is there already, remove it first")
    files = built(ROOT, folder, "sdist", "wheel")
    sdist, wheel = sorted(files, key=lambda path: path.suffix == ".whl")
    if wheel_of(sdist) != wheel.read_bytes():
        raise SystemExit("the sdist builds another wheel")
    found = metadata(wheel)
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    if str(found.version) != versions()["_version.py"] or sorted(found.provides_extra or ()) != sorted(extras):
        raise SystemExit(f"metadata: {found.version} with extras {found.provides_extra}")
    for path in (sdist, wheel):
        print(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path}")
    if options.smoke:
        smoke(wheel)
    print("ready: docs/releasing.md says what is left to do by hand")
    return 0


if __name__ == "__main__":
    sys.exit(main())
