"""What is shipped: a current and hashed lock, a whole wheel, sources that load nothing unsafe."""

import ast
import hashlib
import importlib.util
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from subtheory import resources
from subtheory._version import __version__
from subtheory.errors import InputError, SubtheoryError

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.lock"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
PLATFORMS = ("linux", "darwin", "win32")

# Written so that the pattern does not find itself.
PLACES = re.compile(r"py[p]i\.org|pythonhoste[d]\.org|file:/[/]|(?<![\w.-])/(roo[t]|wor[k]|hom[e]|op[t])/")

MAX_LINES = 400
UNSAFE_IMPORTS = {"cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"}
UNSAFE_KEYWORDS = {"allow_pickle", "shell"}


def _lock_script():
    spec = importlib.util.spec_from_file_location("lock", ROOT / "scripts" / "lock.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


lock_script = _lock_script()
WANTED = [wanted for name, group in lock_script.tables().items() if name != "python" for wanted in group]


def _entries() -> list[str]:
    """The entries of the lock, each joined into one line."""
    lines = [line for line in LOCK.read_text("utf-8").splitlines() if not line.lstrip().startswith("#")]
    return "\n".join(lines).replace("\\\n", "").splitlines()


ENTRIES = _entries()
PINS = [Requirement(entry.split("--hash")[0]) for entry in ENTRIES]


def _run(*command: str | Path, cwd: Path = ROOT, **kwargs) -> subprocess.CompletedProcess:
    done = subprocess.run([*map(str, command)], cwd=cwd, capture_output=True, text=True, **kwargs)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def _sources() -> list[Path]:
    return sorted([*(ROOT / "src").rglob("*.py"), *(ROOT / "experiments").rglob("*.py")])


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


# The lock


def test_the_lock_was_written_from_these_dependency_tables():
    assert LOCK.read_text("utf-8").splitlines()[0] == lock_script.first_line(), "run `make lock`"


@pytest.mark.parametrize("wanted", WANTED)
def test_one_pin_serves_each_python_and_platform(wanted):
    wanted = Requirement(wanted)
    pins = [pin for pin in PINS if canonicalize_name(pin.name) == canonicalize_name(wanted.name)]
    for python in PYTHONS:
        for platform in PLATFORMS:
            here = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": platform}
            serving = [pin for pin in pins if pin.marker is None or pin.marker.evaluate(here)]
            assert len(serving) == 1, f"{wanted.name}: {len(serving)} pins on Python {python}, {platform}"
            [pinned] = serving[0].specifier
            assert pinned.operator == "==" and wanted.specifier.contains(pinned.version)


def test_the_lock_pins_and_hashes_every_entry_and_names_no_source():
    form = re.compile(r"[a-z0-9][a-z0-9.-]*==\S+( ; .+?)?(\s+--hash=sha256:[0-9a-f]{64})+\s*")
    assert [entry for entry in ENTRIES if not form.fullmatch(entry)] == []


def test_the_oldest_python_of_the_lock_is_the_oldest_that_is_supported():
    [python] = lock_script.tables()["python"]
    assert SpecifierSet(python).contains(f"{lock_script.OLDEST}.0")
    assert not SpecifierSet(python).contains("3.10.99")


def _installing() -> list[str]:
    """How the Makefile installs the lock: the words after `pip install`."""
    told = _run("make", "--dry-run", "--always-make", ".venv/.locked").stdout.replace("\\\n", " ")
    [line] = [line for line in told.splitlines() if "requirements.lock" in line and "pip install" in line]
    return line.split("pip install")[1].split()


def _wheel(folder: Path, name: str, version: str, requires: tuple[str, ...] = ()) -> Path:
    """An empty package."""
    info, path = f"{name}-{version}.dist-info", folder / f"{name}-{version}-py3-none-any.whl"
    needs = [f"Requires-Dist: {one}" for one in requires]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{info}/METADATA", "\n".join(["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}",
                                                        "Provides-Extra: more", *needs, ""]))  # fmt: skip
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


def test_a_newer_release_of_a_package_that_another_wants_with_an_extra_leaves_the_lock_alone(tmp_path):
    index = tmp_path / "index"
    index.mkdir()
    pinned = [_wheel(index, "base", "1.0"), _wheel(index, "user", "1.0", ("base[more]>=1",))]
    _wheel(index, "base", "2.0")
    hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in pinned]
    lock = tmp_path / "requirements.lock"
    lock.write_text("".join(f"{n}==1.0 --hash=sha256:{h}\n" for n, h in zip(("base", "user"), hashes, strict=True)))
    words = ["--no-index", "--find-links", index, "--target", tmp_path / "site", *_installing()]
    _run(sys.executable, "-m", "pip", "install", *words, cwd=tmp_path)
    assert {path.name for path in (tmp_path / "site").iterdir()} >= {"base-1.0.dist-info", "user-1.0.dist-info"}


def test_pip_never_resolves_and_says_whether_the_pins_fit_together():
    assert "--no-deps" in _installing() and "--require-hashes" in _installing()
    told = _run("make", "--dry-run", "--always-make", ".venv/.ready").stdout.splitlines()
    [check] = [i for i, line in enumerate(told) if line.endswith("check")]
    assert check > max(i for i, line in enumerate(told) if "pip install" in line)


# The files


def test_no_file_names_an_index_or_a_path_of_one_machine():
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = _run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").stdout
    paths = [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]
    texts = {path: path.read_text("utf-8", errors="replace") for path in paths}
    named = [f"{_name(path)}: {place[0]}" for path, text in texts.items() for place in PLACES.finditer(text)]
    assert not named


@pytest.mark.parametrize("path", _sources(), ids=_name)
def test_a_module_is_short_and_loads_nothing_unsafe(path):
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= MAX_LINES
    assert not list(_unsafe(ast.parse(text)))


def test_a_file_of_tests_is_as_short():
    long = [
        _name(path) for path in (ROOT / "tests").rglob("*.py") if len(path.read_text("utf-8").splitlines()) > MAX_LINES
    ]
    assert not long


def _unsafe(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (n.name for n in names if n.name.split(".")[0] in UNSAFE_IMPORTS)
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] in UNSAFE_IMPORTS:
                yield module
            case ast.Call(func=ast.Name(id="eval" | "exec" as name)):
                yield name
            case ast.Attribute(value=ast.Name(id="yaml"), attr="load" | "load_all" | "unsafe_load" as name):
                yield f"yaml.{name}"
            case ast.keyword(arg=str(name), value=value) if name in UNSAFE_KEYWORDS:
                if not (isinstance(value, ast.Constant) and value.value is False):
                    yield name


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "eval(text)",
        "exec(text)",
        "yaml.load(text)",
        "np.load(path, allow_pickle=True)",
        "run(text, shell=True)",
        "run(text, shell=flag)",
    ],
)
def test_the_search_for_unsafe_loading_finds(source):
    assert list(_unsafe(ast.parse(source)))


@pytest.mark.parametrize("source", ["model.eval()", "load(path, allow_pickle=False)", "yaml.safe_load(text)"])
def test_the_search_for_unsafe_loading_passes(source):
    assert not list(_unsafe(ast.parse(source)))


def test_imports_run_one_way():
    _run(Path(sys.executable).parent / "lint-imports", "--no-cache")


def test_importing_the_package_leaves_the_precision_alone():
    told = "print(jax.config.jax_enable_x64)"
    before, after = _run(sys.executable, "-c", f"import jax; {told}; import subtheory; {told}").stdout.split()
    assert before == after


# The wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder)
    [built] = folder.glob("*.whl")
    return built


def test_the_wheel_carries_the_version_and_every_file(wheel):
    assert wheel.name == f"subtheory-{__version__}-py3-none-any.whl"
    names = set(zipfile.ZipFile(wheel).namelist())
    places = [("src/subtheory", "subtheory")]
    places += [(folder, f"subtheory/_bundled/{folder}") for folder in ("proofs", "experiments")]
    for here, there in places:
        files = {path.relative_to(ROOT / here) for path in (ROOT / here).rglob("*") if path.is_file()}
        wanted = {f"{there}/{file.as_posix()}" for file in files if not _is_cache(file)}
        assert wanted <= names, sorted(wanted - names)


def _is_cache(file: Path) -> bool:
    return any(part == "__pycache__" or part.startswith(".") for part in file.parts)


def test_an_unpacked_wheel_finds_its_own_files(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path)
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from subtheory import resources as r; "
    found = _run(sys.executable, "-c", code + "print(r.proofs(), r.experiments(), sep='\\n')", cwd=tmp_path)
    bundled = tmp_path / "subtheory" / "_bundled"
    assert found.stdout.split("\n")[:2] == [str(bundled / "proofs"), str(bundled / "experiments")]


# The resources


def test_a_checkout_finds_its_own_folders():
    assert resources.proofs() == ROOT / "proofs"
    assert resources.experiments() == ROOT / "experiments"


def test_a_missing_folder_is_told_in_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr(resources, "PACKAGE", tmp_path)
    monkeypatch.setattr(resources, "CHECKOUT", tmp_path)
    with pytest.raises(SubtheoryError, match=r"^proofs: .+$"):
        resources.proofs()


def test_a_schema_is_found_by_name_and_a_wrong_name_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(resources, "PACKAGE", tmp_path)
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "claims.schema.json").write_text("{}")
    assert resources.schema("claims") == resources.schema("claims.schema.json")
    with pytest.raises(InputError, match=r"^schema: expected one of claims\.schema\.json, got \.\./claims$"):
        resources.schema("../claims")
