"""Results that were saved, read again."""

from pathlib import Path
from typing import Any

from subtheory import held
from subtheory.arguments import shown
from subtheory.errors import InputError
from subtheory.study import forecast, own
from subtheory.verification import results


def load(path: Path | str) -> Any:
    """What `save` of a `Verification`, of `Ablations` or of a `Forecast` wrote at `path`: equal to what was saved.

    Raises DataError, naming the file, if it is missing, damaged, too large, or no such file, and InputError for what is
    no name of a file.
    """
    if not isinstance(path, str | Path):
        raise InputError("path", shown(path), "must be the name of a file")
    every: dict[str, Any] = {
        results.KIND: results.Verification,
        own.KIND: own.Ablations,
        forecast.KIND: forecast.Forecast,
    }
    return held.read(path, {kind: result.read for kind, result in every.items()})
