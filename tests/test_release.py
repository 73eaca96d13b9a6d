"""A release: versions and changelog are in order; the sdist builds the wheel byte for byte, with nothing else in it."""

import importlib.util
import re
import shutil
import zipfile
from pathlib import Path

import pytest

from subtheory._version import __version__

ROOT = Path(__file__).resolve().parents[1]


def _script():
    spec = importlib.util.spec_from_file_location("release", ROOT / "scripts" / "release.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


release = _script()


@pytest.fixture(scope="module")
def archives(tmp_path_factory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("dist")
    sdist, wheel = sorted(release.built(ROOT, folder, "sdist", "wheel"), key=lambda path: path.suffix == ".whl")
    return sdist, wheel


def test_versions_and_the_changelog_are_in_order():
    assert release.faults() == [] and set(release.versions().values()) == {__version__}


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("CITATION.cff", f"version: {__version__}", "version: 9.9", "versions differ"),
        ("CHANGELOG.md", "## [Unreleased]", "## Unreleased", "must be ## [VERSION]"),
        ("CHANGELOG.md", "## [Unreleased]", "## [0.0.1] - 2020-01-01", "must begin with"),
        ("CHANGELOG.md", "### Fixed", "### Mended", "'Mended' is no heading"),
        ("CHANGELOG.md", "### Fixed", "### Added", "stands twice"),
    ],
)
def test_what_is_not_in_order_is_told(file, old, new, said, tmp_path):
    for name in ("CITATION.cff", "CHANGELOG.md", "src/subtheory/_version.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    text = (tmp_path / file).read_text("utf-8")
    (tmp_path / file).write_text(text.replace(old, new, 1), "utf-8")
    assert any(said in line for line in release.faults(tmp_path))


def test_the_sdist_builds_the_same_wheel(archives):
    sdist, wheel = archives
    assert release.wheel_of(sdist) == wheel.read_bytes()


def test_the_wheel_holds_what_is_needed_and_nothing_else(archives):
    """No tests, no caches, nothing that Coq or an editor left."""
    names = zipfile.ZipFile(archives[1]).namelist()
    kinds = {Path(name).suffix for name in names if ".dist-info/" not in name}
    assert kinds <= {".py", ".v", ".npz", ".html", ".css", ".js", ".json", ".md", "", ".typed"}, kinds
    top = {name.split("/")[0] for name in names}
    assert top == {"subtheory", f"subtheory-{__version__}.dist-info"}
    bundled = {name.split("/")[2] for name in names if name.startswith("subtheory/_bundled/")}
    assert bundled == {"proofs", "experiments"}
    assert not [name for name in names if re.search(r"__pycache__|/\.|tests/", name)]
    assert "subtheory/py.typed" in names and any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_an_index_takes_the_metadata(archives):
    found = release.metadata(archives[1])
    assert (found.name, str(found.version)) == ("subtheory", __version__)
    assert found.description_content_type == "text/markdown" and found.license_expression == "Apache-2.0"


def test_the_pins_of_a_trial_are_those_of_the_lock(tmp_path):
    told = release.pins(tmp_path).read_text("utf-8")
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    pinned = re.findall(r"^[a-z0-9-]+==", lock, re.M)
    assert "--hash" not in told and "\\" not in told and re.findall(r"^[a-z0-9-]+==", told, re.M) == pinned


def test_the_citation_has_the_fields_of_its_format():
    """Those that version 1.2.0 asks for, of the tool and of every work that it refers to."""
    text = (ROOT / "CITATION.cff").read_text("utf-8")
    own, references = text.split("\nreferences:\n")
    fields = set(re.findall(r"^([a-z-]+):", own, re.M))
    assert {"cff-version", "message", "title", "authors", "version", "license", "type"} <= fields
    assert re.search(r"^cff-version: 1\.2\.0$", own, re.M) and re.search(r"^type: software$", own, re.M)
    for each in re.split(r"^  - ", references, flags=re.M)[1:]:
        assert {"type", "title", "authors", "year"} <= set(re.findall(r"^ *([a-z-]+):", each, re.M))
        assert re.search(r"arXiv:\d{4}\.\d{5}|doi: 10\.\d+/", each)
