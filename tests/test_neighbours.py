"""Packages and their neighbours: an import goes to a name, or a module, that the package lists in its `__all__`."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SRC = ROOT / "src"
TOP = "subtheory"
MOST = 12
"""Modules of a package, beside its `__init__`."""


@dataclass
class House:
    """The modules below a folder, by name, and what each package lists."""

    source: Path = SRC
    modules: dict[str, Path] = field(default_factory=dict)
    listed: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for path in sorted((self.source / TOP).rglob("*.py")):
            parts = path.relative_to(self.source).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            self.modules[name] = path
            if path.name == "__init__.py":
                self.listed[name] = names_of(ast.parse(path.read_text("utf-8")))
        # At the top every module is listed, by being there.
        self.listed[TOP] += [name.rpartition(".")[2] for name in self.modules if name.count(".") == 1]

    def package(self, module: str) -> str:
        """The package that a module stands in; a package is in itself, and what is outside in its own folder."""
        return module if module in self.listed else module.rpartition(".")[0]

    def is_public(self, full: str, at: str) -> bool:
        """Whether a module of package `at` may use the dotted name: every package that it enters lists the next one.

        In the package's own house, the packages around it included, all may be used, but for what begins with an
        underscore further up.
        """
        parts = full.split(".")
        for k in range(1, len(parts)):
            here, name = ".".join(parts[:k]), parts[k]
            if here not in self.modules:
                break  # a class, or what it has
            inside = at == here or at.startswith(f"{here}.")
            if here in self.listed and not inside and name not in self.listed[here]:
                return False
            if at != self.package(here) and re.match("_(?!_)", name):
                return False
        return True

    def strangers(self, path: Path, module: str) -> Iterator[str]:
        """What a module uses of others that is not theirs to give."""
        at = self.package(module)
        for full in used(ast.parse(path.read_text("utf-8")), at):
            if not self.is_public(full, at):
                yield f"{module}: {full}"


def names_of(tree: ast.Module) -> list[str]:
    """The strings of `__all__`, those of the mapping `_PUBLIC` that it may unpack included."""
    lists = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    found = []
    for node in getattr(lists.get("__all__"), "elts", []):
        if isinstance(node, ast.Starred):
            found += ast.literal_eval(lists[node.value.id])
        else:
            found.append(ast.literal_eval(node))
    return found


def used(tree: ast.Module, at: str) -> Iterator[str]:
    """Dotted names below `subtheory` that a module imports, takes from what it imported, or loads when asked."""
    bound = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == TOP:
            for each in node.names:
                yield (full := f"{node.module}.{each.name}")
                bound[each.asname or each.name] = full
        elif isinstance(node, ast.Import):
            for each in node.names:
                if each.name.split(".")[0] == TOP:
                    yield each.name
                    bound[each.asname or TOP] = each.name if each.asname else TOP
        elif at == TOP and isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "_PUBLIC":
            yield from (f"{TOP}.{module}.{name}" for name, module in ast.literal_eval(node.value).items())
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if id(node) in inner:
            continue
        parts = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if parts and isinstance(node, ast.Name) and node.id in bound:
            yield ".".join([bound[node.id], *reversed(parts)])


HOUSE = House()
OUTSIDE = [path for folder in ("experiments", "benchmarks") for path in sorted((ROOT / folder).rglob("*.py"))]
EVERY = [*HOUSE.modules.items(), *((f"{path.parent.name}.{path.stem}", path) for path in OUTSIDE)]


def test_a_module_uses_what_its_neighbours_list():
    assert len(EVERY) > 150
    assert [found for module, path in EVERY for found in HOUSE.strangers(path, module)] == []


@pytest.mark.parametrize(
    "package", [name for name in HOUSE.listed if name != TOP], ids=lambda name: name.removeprefix(f"{TOP}.")
)
def test_a_package_opens_with_one_sentence_and_lists_what_others_may_use(package):
    path = HOUSE.modules[package]
    tree = ast.parse(path.read_text("utf-8"))
    opening = (ast.get_docstring(tree) or "").split("\n\n")[0]
    assert re.fullmatch(r"[^\n]+[.?]", opening) and not re.search(r"[.?!] [A-Z]", opening), opening
    modules = {name.rpartition(".")[2] for name in HOUSE.modules if name.rpartition(".")[0] == package}
    plain = [name for name in modules if f"{package}.{name}" not in HOUSE.listed]
    assert len(plain) <= MOST, sorted(plain)
    names = HOUSE.listed[package]
    assert names == sorted(set(names), key=lambda name: (not name.isupper(), not name[0].isupper(), name))
    defined = {
        each
        for node in tree.body
        for each in (
            [alias.asname or alias.name for alias in node.names]
            if isinstance(node, ast.ImportFrom)
            else [node.name]
            if isinstance(node, ast.FunctionDef | ast.ClassDef)
            else [target.id for target in getattr(node, "targets", [getattr(node, "target", None)]) if target]
            if isinstance(node, ast.Assign | ast.AnnAssign)
            else []
        )
    }
    assert names and set(names) <= modules | defined, sorted(set(names) - modules - defined)


# The controls ----------------------------------------------------------------------------------------

INIT = '"""A package."""\n\nfrom subtheory.rooms.kitchen import cook\n\n__all__ = ["cook", "pantry"]\n'


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("from subtheory.rooms.kitchen import cook", ["subtheory.rooms.kitchen.cook"]),
        ("from subtheory.rooms import kitchen", ["subtheory.rooms.kitchen"]),
        ("from subtheory.rooms.pantry import _jam", ["subtheory.rooms.pantry._jam"]),
        ("def late():\n    from subtheory.rooms.pantry import _jam", ["subtheory.rooms.pantry._jam"]),
        ("from subtheory.rooms import pantry\n\npantry._jam()", ["subtheory.rooms.pantry._jam"]),
        ("import subtheory as st\n\nst.rooms.kitchen.cook()", ["subtheory.rooms.kitchen.cook"]),
        ("import subtheory.rooms.kitchen", ["subtheory.rooms.kitchen"]),
        ("from subtheory._version import __version__", ["subtheory._version.__version__"]),
        ("from subtheory.rooms.cellar.wine import red", ["subtheory.rooms.cellar.wine.red"]),
        ("from subtheory.rooms import cook, pantry", []),
        ("from subtheory.rooms.pantry import jam\n\njam._replace(sugar=0)", []),
        ("from subtheory.tools import saw", []),
        ("from other.rooms import kitchen", []),
    ],
)
def test_a_planted_import_is_found(tmp_path, line, found):
    files = {
        "__init__.py": "_PUBLIC = {}\n__all__ = [*_PUBLIC]\n",
        "_version.py": "",
        "tools.py": "",
        "rooms/__init__.py": INIT,
        "rooms/kitchen.py": "from subtheory.rooms.pantry import _jam\n",
        "rooms/pantry.py": "",
        "rooms/cellar/__init__.py": '__all__ = ["wine"]\n',
        "rooms/cellar/wine.py": "from subtheory.rooms.kitchen import cook\n",
        "guests/__init__.py": "__all__ = []\n",
        "guests/planted.py": line,
    }
    for name, text in files.items():
        path = tmp_path / TOP / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    house = House(tmp_path)
    every = [told for module, path in house.modules.items() for told in house.strangers(path, module)]
    assert every == [f"subtheory.guests.planted: {full}" for full in found]


def test_a_name_that_the_package_itself_loads_late_is_held_too(tmp_path):
    (tmp_path / TOP / "rooms").mkdir(parents=True)
    (tmp_path / TOP / "__init__.py").write_text('_PUBLIC = {"cook": "rooms.kitchen"}\n__all__ = [*_PUBLIC]\n')
    (tmp_path / TOP / "rooms" / "__init__.py").write_text("__all__ = []\n")
    house = House(tmp_path)
    assert list(house.strangers(house.modules[TOP], TOP)) == ["subtheory: subtheory.rooms.kitchen.cook"]
