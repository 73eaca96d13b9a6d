"""What a cell of a sweep is: the rows that `ablate` has for one amount of one path, from nothing but its name."""

from functools import lru_cache
from typing import Any

import numpy as np

from subtheory.data import CHANNELS
from subtheory.errors import InputError
from subtheory.init import PATHS, Another, Path, checked
from subtheory.ledger.store import Arrays
from subtheory.networks import NETWORKS
from subtheory.setting.setting import Setting
from subtheory.study.ablation import ELSEWHERE, ablate, known_paths, misfit
from subtheory.suggest import choose
from subtheory.sweep.plan import OWN, Cell, Plan
from subtheory.theory.losses import LOSSES
from subtheory.verification.grid import OUTPUTS, SEEN

KNOWN: dict[str, dict[str, Any]] = {
    "network": dict(NETWORKS),
    "loss": {name: loss for name, loss in LOSSES.items() if loss.order == 1},
    "channel": {OWN: None, **CHANNELS},
    "outputs": {name: name for name in OUTPUTS},
    "teacher": {teacher.name: teacher for teacher in SEEN},
    "path": {**PATHS, **dict.fromkeys(ELSEWHERE)},
}
"""What the names of a plan stand for."""


def compute(cell: Cell) -> Arrays:
    """`columns` (C,), their names, and `values` (rows, C): a row a seed. Raises what `ablate` raises."""
    setting, path = placed(*(getattr(cell, name) for name in KNOWN))
    first, count = cell.seeds
    rows = ablate(path, setting, (cell.amount,), range(first, first + count), cell.eps).rows
    return {"columns": np.array(list(rows[0])), "values": np.array([list(row.values()) for row in rows], np.float64)}


@lru_cache(maxsize=64)
def placed(network: str, loss: str, channel: str, outputs: str, teacher: str, path: str) -> tuple[Setting, Path]:
    """The setting and the path of some names. Raises InputError for one that is unknown, and for what does not fit."""
    names = (network, loss, channel, outputs, teacher, path)
    net, cost, law, group, mover, _ = (
        choose(field, name, KNOWN[field]) for field, name in zip(KNOWN, names, strict=True)
    )
    if law is not None and not law.fits(net.task):
        raise InputError("channel", repr(channel), f"must have the inputs of {network}")
    setting = Setting(net, cost, law, group, mover)
    known = known_paths(setting)
    if path not in known:
        raise InputError("path", repr(path), f"must fit {network}, of which there is no other {path}")
    if why := misfit(known[path], setting):
        raise InputError("path", repr(path), f"must fit {network} ({why})")
    return setting, known[path]


def require(plan: Plan) -> None:
    """Raise InputError, naming the place, for names that there are not, and for combinations that do not fit."""
    for field, known in KNOWN.items():
        for i, name in enumerate(getattr(plan.grid, field)):
            try:
                choose(field, name, known)
            except InputError as error:
                raise InputError(f"grid.{field}[{i}]", error.value, error.wanted) from None
    for place in plan.places:
        try:
            _, path = placed(*(place[name] for name in KNOWN))
            _require_amount(path, place["amount"])
        except InputError as error:
            field = error.field if error.field in place else "path"
            i = getattr(plan.grid, field).index(place[field])
            wanted = f"{error.wanted} for {place['path']}" if field == "amount" else error.wanted
            raise InputError(f"grid.{field}[{i}]", error.value, f"{wanted}, or left out by [[skip]]") from None


def _require_amount(path: Path, amount: float) -> None:
    """Of another architecture there is only far."""
    checked(path, amount)
    if isinstance(path, Another) and amount not in path.amounts:
        raise InputError("amount", amount, f"must be {path.amounts[0]:g}")
