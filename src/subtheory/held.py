"""Results as files: JSON of one kind with its own SHA-256, written whole, read up to a size; numbers come back exactly.

JSON has no number that is not finite: such a one is a text, "nan", "inf" or "-inf".
"""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from subtheory import files
from subtheory.errors import DataError, InputError
from subtheory.records import canonical, cell_id, write_atomic

T = TypeVar("T")

FORMAT = "subtheory-result-1"

MOST = 64 * 2**20
"""Bytes of a file of a result, which somebody has saved on purpose."""


def plain(value: Any) -> Any:
    """Dicts, lists, text and numbers alone."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(float(value))
    return value


def text_of(kind: str, content: Mapping[str, Any]) -> str:
    """What two results have in common that are equal: NaN is equal to NaN here."""
    return canonical({"kind": kind, "content": plain(content)})


def write(path: Path | str, kind: str, content: Mapping[str, Any]) -> Path:
    """Write a result whole or not at all.

    Raises InputError on "output" for a place that cannot be written, or for more than `MOST` bytes.
    """
    body = {"format": FORMAT, "kind": kind, "content": plain(content)}
    data = (json.dumps({"sha256": cell_id(body), **body}, ensure_ascii=False, allow_nan=False) + "\n").encode()
    if len(data) > MOST:
        raise InputError("output", path, f"cannot be written: {len(data)} bytes, more than the {MOST} of a result")
    return write_atomic(path, data)


def read(path: Path | str, kinds: Mapping[str, Callable[[Any], T]]) -> T:
    """A result of one of the kinds, made of its content. Raises DataError of one line for anything else."""
    try:
        found = files.read_json(path, MOST)
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            raise ValueError(f"it is no {FORMAT}")
        if cell_id({key: value for key, value in found.items() if key != "sha256"}) != found["sha256"]:
            raise ValueError("its contents do not have the SHA-256 that it states")
        return kinds[found["kind"]](found["content"])
    except FileNotFoundError:
        raise DataError(f"{path}: missing") from None
    except (InputError, *files.BROKEN) as error:
        raise DataError(f"{path}: corrupt ({files.reason(error)})") from error
