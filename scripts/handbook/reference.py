"""The API reference: every public name with its signature, docstring, fields and methods, by topic."""

import ast
import dataclasses
import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import Any

import subtheory
from handbook.text import contents, inline, markdown, page, table

THEORY = "../theory.md"

TOPICS = {
    "own": ("Your own model", "verify"),
    "claims": ("Claims and certificates", "check"),
    "settings": ("Settings and their parts", "Setting"),
    "quantities": ("Quantities of the theorem", "Distillation"),
    "curvature": ("Curvature and kernels", "ggn"),
    "thresholds": ("How small is small enough", "alignment_threshold"),
    "losses": ("Losses", "SquaredError"),
    "traits": ("Teachers and traits", "TEACHERS"),
    "networks": ("Networks and channels", "Linear"),
    "precision": ("Precision and errors", "float64"),
}
"""Of a page: its title, and the public name that it begins with; it ends where the next begins."""

MODULES = {
    "subtheory.claim": "Claims of your own",
    "subtheory.envelope": "How a check judges",
    "subtheory.claims.assumptions": "The assumptions, for controls",
    "subtheory.instruments.first_order": "What a claim reads",
    "subtheory.cases.strategies": "Strategies for property tests",
    "subtheory.certificate.cases": "What is certified by name",
    "subtheory.init": "Paths between inits",
    "subtheory.theory.views": "What a student is shown",
    "subtheory.figure": "Figures",
}
"""Modules that the documentation names beside what `subtheory` itself lists."""


def names(module: str = "subtheory") -> list[str]:
    """What is public of a module and not of `subtheory`: what it lists, or else defines without an underscore."""
    loaded = import_module(module)
    if module == "subtheory":
        return list(subtheory._PUBLIC)
    listed = getattr(loaded, "__all__", None)
    found = listed or [name for name in vars(loaded) if not name.startswith("_") and _defined(loaded, name)]
    here = [name for name in found if not inspect.ismodule(getattr(loaded, name, None))]
    return [name for name in here if f"subtheory.{subtheory._PUBLIC.get(name)}" != module]


def _defined(module: Any, name: str) -> bool:
    value = getattr(module, name)
    if callable(value):
        return getattr(value, "__module__", None) == module.__name__
    return name in attributes(module.__name__)


@cache
def topic_of() -> dict[str, str]:
    """The page of every public name."""
    starts = {first: topic for topic, (_, first) in TOPICS.items()}
    found, here = {}, next(iter(TOPICS))
    for name in names():
        here = starts.get(name, here)
        found[name] = here
    return found


def home(name: str) -> str:
    """The page of a public name, for links to it."""
    return f"reference/{topic_of()[name]}"


@cache
def attributes(module: str, owner: str = "") -> dict[str, str]:
    """The sentence below each assignment of a module, or of one of its classes."""
    loaded = import_module(module)
    tree: Any = ast.parse(inspect.getsource(loaded))
    if owner:
        tree = next((n for n in ast.walk(tree) if isinstance(n, ast.ClassDef) and n.name == owner), ast.Module([], []))
    found = {}
    for node, after in zip(tree.body, tree.body[1:], strict=False):
        target = node.target if isinstance(node, ast.AnnAssign) else getattr(node, "targets", [None])[0]
        said = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and after.value.value
        if isinstance(target, ast.Name) and isinstance(said, str):
            found[target.id] = inspect.cleandoc(said)
    return found


def short(text: str) -> str:
    """A signature without the modules that its types come from."""
    return re.sub(r"(?<![\w'\"/])(?:[a-z_]\w*\.)+(?=[A-Za-z_])", "", text)


def signature(value: Any) -> str:
    """Arguments and result; of a record, its fields."""
    try:
        return short(str(inspect.signature(value)))
    except (TypeError, ValueError):
        return "(...)"


def docstring(value: Any) -> str:
    """Its own; a class does not inherit one."""
    return inspect.cleandoc(value.__doc__) if value.__doc__ else ""


def one(module: str, name: str) -> str:
    """The entry of a name."""
    value = getattr(import_module(module), name)
    full = f"{module}.{name}"
    if inspect.isclass(value):
        return _entry("class", full, "" if issubclass(value, BaseException) else signature(value), _class(value))
    if callable(value) and hasattr(value, "__name__"):
        return _entry("function", full, signature(value), markdown(docstring(value), THEORY))
    return _entry("data", full, "", _data(module, name, value))


def _entry(kind: str, full: str, arguments: str, body: str) -> str:
    ticks = ":" * 4
    return f"{ticks}{{py:{kind}}} {full}{arguments}\n\n{body}\n\n{ticks}"


def _class(value: type) -> str:
    """Docstring, fields with their types and sentences, what else it has."""
    said = _said(value)
    parts = [markdown(docstring(value), THEORY)]
    if dataclasses.is_dataclass(value):
        rows = [
            [f"`{field.name}`", f"`{short(_type(field.type))}`", _first(said.get(field.name, ""))]
            for field in dataclasses.fields(value)
        ]
        parts.append(table(["field", "type", ""], rows) if rows else "")
    rows = [[f"`{name}{arguments}`", _first(text)] for name, arguments, text in members(value)]
    parts.append(table(["member", ""], rows) if rows else "")
    return page(*parts)


def _first(text: str) -> str:
    """The first paragraph, as one line."""
    return inline(" ".join(text.split("\n\n")[0].split()), THEORY)


def _said(value: type) -> dict[str, str]:
    """The sentence below each field, its own or of what it is made from."""
    found: dict[str, str] = {}
    for base in reversed(value.__mro__):
        if base.__module__.startswith("subtheory"):
            found |= attributes(base.__module__, base.__name__)
    for name in vars(value).get("__dataclass_fields__", ()):
        found[name] = found.get(name) or _promised(value, name)
    return found


def _type(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


def members(value: type) -> Iterator[tuple[str, str, str]]:
    """Public methods and properties that the package defines: name, arguments, docstring."""
    fields = {field.name for field in dataclasses.fields(value)} if dataclasses.is_dataclass(value) else set()
    found: dict[str, Any] = {}
    for base in reversed(value.__mro__):
        if base.__module__.startswith("subtheory"):
            found |= {name: member for name, member in vars(base).items() if not name.startswith("_")}
    for name, member in found.items():
        if isinstance(member, classmethod | staticmethod):
            member = member.__func__
        said = inspect.getdoc(member) or _promised(value, name)
        if isinstance(member, property) or hasattr(member, "func"):  # cached properties have a function
            yield name, "", said
        elif inspect.isfunction(member) and name not in fields:
            yield name, re.sub(r"\((self|cls)(, )?", "(", signature(member)), said


def _follows(value: type, protocol: Any) -> bool:
    """Whether a class has all that a protocol asks for."""
    asked = [name for name in vars(protocol) if not name.startswith("_")] if _is_protocol(protocol) else []
    return bool(asked) and all(hasattr(value, name) or name in getattr(value, "__annotations__", ()) for name in asked)


def _is_protocol(value: Any) -> bool:
    return inspect.isclass(value) and bool(getattr(value, "_is_protocol", False))


def _promised(value: type, name: str) -> str:
    """What a protocol of its module, which it follows, says of a member."""
    for base in value.__mro__:
        for other in vars(sys.modules[base.__module__]).values():
            said = vars(other).get(name) if _follows(value, other) else None
            if said is not None and (text := inspect.getdoc(said)):
                return text
    return ""


def _data(module: str, name: str, value: Any) -> str:
    where = f"subtheory.{subtheory._PUBLIC[name]}" if module == "subtheory" else module
    said = sentence(where, name)
    listed = "Names: " + ", ".join(f"`{key}`" for key in value) + "." if isinstance(value, dict) else ""
    return page(markdown(said, THEORY), listed)


def sentence(module: str, name: str) -> str:
    """What stands below the assignment, in the module or in the one that it takes the name from."""
    loaded = import_module(module)
    if found := attributes(module).get(name):
        return found
    for node in ast.walk(ast.parse(inspect.getsource(loaded))):
        if isinstance(node, ast.ImportFrom) and node.module and any(each.name == name for each in node.names):
            return sentence(node.module, name)
    return ""


def topic(key: str) -> str:
    """The page of some public names."""
    title, _ = TOPICS[key]
    return page(f"# {title}", *(one("subtheory", name) for name in names() if topic_of()[name] == key))


def module_page(module: str) -> str:
    """The page of a module."""
    loaded = import_module(module)
    return page(
        f"# {module}",
        markdown(textwrap.dedent(loaded.__doc__ or ""), THEORY),
        *(one(module, name) for name in names(module)),
    )


def index() -> str:
    """All names, each with its first sentence."""
    blocks = []
    for key, (title, _) in TOPICS.items():
        rows = [[f"`subtheory.{name}`", first(name)] for name in names() if topic_of()[name] == key]
        blocks += [f"## [{title}]({key}.md)", table(["name", ""], rows)]
    rows = [[f"[`{module}`]({module}.md)", title] for module, title in MODULES.items()]
    return page(
        "# Reference",
        "What `subtheory` lists is public, and kept as [stability](../stability.md) says. `import subtheory as st`"
        " loads none of it before it is asked for.",
        *blocks,
        "## Modules",
        table(["module", ""], rows),
        contents([*TOPICS, *MODULES]),
    )


def first(name: str) -> str:
    """The first sentence of a public name."""
    value = getattr(subtheory, name)
    where = f"subtheory.{subtheory._PUBLIC[name]}"
    text = docstring(value) if callable(value) else sentence(where, name)
    return _first(text)


def pages() -> dict[str, str]:
    """All of them, by page."""
    found = {f"docs/reference/{key}.md": topic(key) for key in TOPICS}
    found |= {f"docs/reference/{module}.md": module_page(module) for module in MODULES}
    return found | {"docs/reference/index.md": index()}
