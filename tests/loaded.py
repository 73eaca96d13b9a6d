"""Files of benchmarks/ and scripts/ as modules; they are in no package."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]


def load(path: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The file at a path from the root, which finds its neighbours as when it is run."""
    file = ROOT / path
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec and spec.loader
    monkeypatch.syspath_prepend(file.parent)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, file.stem, module)
    spec.loader.exec_module(module)
    return module
