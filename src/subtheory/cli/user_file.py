"""A Python file of a user's own: imported, and whatever it raises told in one line that names the file and the line."""

from __future__ import annotations

import importlib.util
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from subtheory.errors import InputError, SubtheoryError

if TYPE_CHECKING:
    from types import ModuleType

LARGEST = 16 * 2**20
"""Bytes of such a file."""


def module(path: str, field: str) -> ModuleType:
    """The file, imported; InputError on `field` if that cannot be done."""
    file = Path(path)
    name = f"{field}_of_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file) if file.suffix == ".py" else None
    if spec is None or spec.loader is None or not file.is_file():
        raise InputError(field, repr(path), "must be a Python file")
    if file.stat().st_size > LARGEST:
        raise InputError(field, repr(path), f"must be a Python file of at most {LARGEST} bytes")
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[loaded.__name__] = loaded
    try:
        spec.loader.exec_module(loaded)
    except (Exception, SystemExit) as error:
        line = line_of(error, path)
        where = repr(path) if line is None else f"{path}:{line}"
        raise InputError(field, where, f"must be importable ({said(error)})") from error
    return loaded


@contextmanager
def blamed(path: str | None, field: str) -> Iterator[None]:
    """Turn what a user's file raises into an InputError on `field` that names the file and the line."""
    try:
        yield
    except SubtheoryError:
        raise
    except Exception as error:
        line = line_of(error, path)
        if line is None:
            raise
        raise InputError(field, f"{path}:{line}", f"must run ({said(error)})") from error


def line_of(error: BaseException, path: str | None) -> int | None:
    """The innermost line of a file that an error, or what led to it, came through; None if it did not."""
    found, file = None, os.path.realpath(path) if path else None
    each: BaseException | None = error
    while file and each is not None:
        if isinstance(each, SyntaxError) and each.filename and os.path.realpath(each.filename) == file:
            return each.lineno
        for frame, line in traceback.walk_tb(each.__traceback__):
            if os.path.realpath(frame.f_code.co_filename) == file:
                found = line
        if found is not None:
            return found
        each = each.__cause__ or each.__context__
    return None


def said(error: BaseException) -> str:
    """An error in one line: its type, and the first line of what it says."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__
