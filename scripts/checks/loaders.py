"""R8: no code that runs what a file says, by the names in the syntax tree of every file.

It finds what is written without thinking, and not what is hidden behind another name.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

from checks.row import Row

ROOT = Path(__file__).parents[2]
FOLDERS = ("src", "scripts", "experiments", "benchmarks")

MODULES = ("pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve")
"""What is not imported."""

CALLS = (
    "eval",
    "exec",
    "compile",
    "os.system",
    "os.popen",
    "yaml.load",
    "yaml.unsafe_load",
    "torch.load",
    "joblib.load",
)
"""What is not called by this name, nor imported from its module."""

FLAGS = ("allow_pickle", "shell")
"""What is not set to anything but False."""


def unsafe(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and name of what is known to run, or may run, what it reads."""
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [each.name for each in node.names if each.name.split(".")[0] in MODULES]
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            names = [module] if module.split(".")[0] in MODULES else []
            names += [name for each in node.names if (name := f"{module}.{each.name}") in CALLS]
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func).removeprefix("builtins.")
            names = [called] if called in CALLS else []
            names += [f"{each.arg}=" for each in node.keywords if each.arg in FLAGS and not _false(each.value)]
            # Positional: np.load(file, mmap_mode, allow_pickle).
            names += [called] if called.endswith(("np.load", "numpy.load")) and len(node.args) > 2 else []
        yield from ((node.lineno, name) for name in names)


def _false(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is False


def r8(quick: bool = False) -> Row:
    """Every file, quick or not."""
    row = Row("unsafe loaders in the code", "0")
    for path in sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")):
        found = [
            f"{path.relative_to(ROOT)}:{line}: {name}" for line, name in unsafe(ast.parse(path.read_text("utf-8")))
        ]
        row.tried("; ".join(found))
    row.found = "files of Python"
    return row
