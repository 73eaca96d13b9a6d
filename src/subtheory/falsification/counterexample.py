"""A counterexample as one JSON file: every number in full, checked by a SHA-256, run again from the file alone."""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np

from subtheory import __version__
from subtheory.cases.case import Case
from subtheory.claim import Claim, Evidence
from subtheory.errors import DataError, InputError
from subtheory.falsification import search as falsification
from subtheory.files import BROKEN, read_json, reason
from subtheory.kernels.functions import shapes_of
from subtheory.numerics import float64
from subtheory.records import cell_id, write_atomic
from subtheory.setting.setting import Setting
from subtheory.suggest import choose
from subtheory.theory.distillation import Distillation, at_rest
from subtheory.theory.losses import LOSSES, Loss
from subtheory.theory.network import Network
from subtheory.theory.part import Part, restored, stated
from subtheory.theory.rule import Rule
from subtheory.theory.trait import Bowl, FunctionTrait, LabelledTrait
from subtheory.theory.views import View

SCHEMA = 2
"""1 had the numbers `shift` and `sign` for what `view` and `rule` say."""

ARRAYS = ("theta0", "student", "delta", "x", "weights", "outputs", "eps", "trait", "alpha", "trainable")
"""Fields of a distillation that are arrays; `metric` is one more where the student's step has one."""

PARTS: dict[str, type[Part]] = {"view": View, "rule": Rule}
"""Fields that are records, of any kind that is known when the file is read."""

UNFIT = (InputError, ValueError, KeyError, TypeError, IndexError, AttributeError, ArithmeticError, RecursionError)
"""What a case raises that is none of its claim."""


def state(claim: Claim, case: Any, evidence: Evidence, without: str | None, known: Mapping[str, Network]) -> Any:
    """All of a counterexample as plain JSON with its hash.

    `known` are networks by the name under which a file refers to them. Raises InputError for a case
    that no file can hold: a network or a loss that has no name there, a trait that is a function, a view or a rule
    that is not made of numbers and words.
    """
    meta = {
        "schema": SCHEMA,
        "claim": claim.name,
        "statement": claim.statement,
        "formula": claim.formula,
        "without": without,
        "evidence": {name: _finite(value) for name, value in asdict(evidence).items()},
        "verdict": str(evidence.verdict),
        "case": _case(claim, case, without, known),
        "versions": {"subtheory": __version__, "numpy": np.__version__, "jax": version("jax")},
        "again": f"subtheory falsify {claim.name} --replay FILE",
    }
    return {"sha256": cell_id(meta), **meta}


def write(path: Path | str, told: Any) -> Path:
    """Write what `state` returns, whole or not at all."""
    return write_atomic(path, json.dumps(told, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read(path: Path | str) -> Any:
    """The contents of a file. Raises DataError if it is missing, no such file, or altered."""
    try:
        found = read_json(path)
        if found["schema"] != SCHEMA:
            raise ValueError(f"its schema is {found['schema']!r}, not {SCHEMA}")
        if cell_id({key: value for key, value in found.items() if key != "sha256"}) != found["sha256"]:
            raise ValueError("its contents do not have the SHA-256 that it states")
    except FileNotFoundError:
        raise DataError(f"{path}: missing") from None
    except BROKEN as error:
        raise DataError(f"{path}: corrupt ({reason(error)})") from error
    return found


def replay(claim: Claim, told: Any, known: Mapping[str, Network]) -> tuple[Evidence | None, bool]:
    """The evidence of a stored case, recorded again by the claim's instrument, and whether it still refutes the claim.

    Raises DataError for a case that does not fit the claim, its networks or their shapes, or of which a view or a rule
    is not known here.
    """
    try:
        case = _restored(claim, told["case"], told["without"], known)
        evidence = falsification.judge(claim, case)
        return evidence, falsification.refutes(claim, case, told["without"], evidence)
    except UNFIT as error:
        raise DataError(f"counterexample to {claim.name}: does not fit it ({reason(error)})") from error


def _finite(value: Any) -> Any:
    """The value, or None for a number that JSON does not have."""
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _case(claim: Claim, case: Any, without: str | None, known: Mapping[str, Network]) -> Any:
    if claim.exact is not None and isinstance(case, claim.exact):
        shown = case.stated() if hasattr(case, "stated") else {}
        return {"kind": "exact", "values": json.loads(json.dumps(vars(case))), "shown": shown}
    d = case.distillation() if isinstance(case, Case) else case
    place = _constructed_place(claim, d, without)
    if place is None:
        place = _shape_place(d, known)
    names = ARRAYS if d.metric is None else (*ARRAYS, "metric")
    arrays = {name: _listed(getattr(d, name)) for name in names}
    return place | {name: _told(name, getattr(d, name)) for name in PARTS} | {"arrays": arrays}


def _told(name: str, part: Part) -> Any:
    """A view or a rule as JSON: numbers, words and tuples of them."""
    told = stated(part)
    if PARTS[name].kinds().get(part.name) is not type(part) or not _plain(told):
        raise InputError(name, part.shown, "must be of a kind with its own name, of numbers and words, to be in a file")
    return told


def _plain(told: Any) -> bool:
    """Whether a part was told in finite numbers, words, and tuples of them."""
    values = [one for value in told.values() for one in (value if isinstance(value, list | tuple) else [value])]
    return all(isinstance(one, str) or (isinstance(one, bool | int | float) and np.isfinite(one)) for one in values)


def _constructed(claim: Claim, without: str | None) -> tuple[Setting, ...]:
    """The constructed settings that a search for counterexamples goes through."""
    if without is not None:
        witnesses = {c.assumption.name: c.witnesses for c in claim.controls}[without]
        return witnesses() if witnesses else ()
    return claim.settings() if claim.settings and not claim.cases else ()


def _constructed_place(claim: Claim, d: Distillation, without: str | None) -> dict[str, Any] | None:
    for i, setting in enumerate(_constructed(claim, without)):
        own = getattr(setting.source, "given_trait", None)
        function = isinstance(d.trait, FunctionTrait) and own != d.trait  # no file says which one it is
        if setting.network == d.network and setting.loss == d.loss and not function:
            return {"kind": "constructed", "number": i}
    return None


def _shape_place(d: Distillation, known: Mapping[str, Network]) -> dict[str, Any]:
    network = next((name for name, one in known.items() if one == d.network), None)
    if network is None:
        raise InputError("network", repr(d.network.name), "must be one of subtheory.cases.strategies or a claims' file")
    if LOSSES.get(d.loss.name) != d.loss:
        raise InputError("loss", repr(d.loss.name), "must be a built-in one to be written to a file")
    kind = {LabelledTrait: "labelled", Bowl: "bowl"}.get(type(d.trait))
    if kind is None:
        raise InputError("trait", type(d.trait).__name__, "must be made of arrays to be written to a file")
    return {"kind": "drawn", "network": network, "loss": d.loss.name, "trait": kind}


def _listed(tree: Any) -> Any:
    """Arrays by their path in a tree; floats as shortest decimals, which read back exactly."""
    return {jax.tree_util.keystr(path): np.asarray(leaf).tolist() for path, leaf in jax.tree.leaves_with_path(tree)}


def _restored(claim: Claim, told: Any, without: str | None, known: Mapping[str, Network]) -> Any:
    if told["kind"] == "exact":
        if claim.exact is None:
            raise ValueError("the claim has no exact cases")
        return claim.exact(**told["values"])
    if told["kind"] == "constructed":
        blank = _constructed(claim, without)[told["number"]].distillation(0)
    elif told["kind"] == "drawn":
        blank = _blank(choose("network", told["network"], known), LOSSES[told["loss"]], told["trait"])
    else:
        raise ValueError(f"its kind is {told['kind']!r}")
    found = told["arrays"]
    names = (*ARRAYS, "metric") if "metric" in found else ARRAYS
    if set(found) != set(names):
        raise ValueError(f"its arrays are {', '.join(found)}")
    like = {name: getattr(blank, name) for name in ARRAYS} | {"metric": blank.theta0}
    arrays = {name: _read(like[name], found[name], name) for name in names}
    return replace(blank, **arrays, **{name: _part(kind, told[name]) for name, kind in PARTS.items()})


def _part(kind: type[Part], told: Any) -> Part:
    if not isinstance(told, dict) or not _plain(told):
        raise ValueError(f"its {kind.__name__.lower()} is not made of numbers and words")
    return restored(kind, told)


def _blank(network: Network, loss: Loss, trait: str) -> Distillation:
    """A distillation of the right shapes, all zeros."""
    like = jax.tree.map(lambda leaf: np.zeros(leaf.shape), shapes_of(network))
    example = network.example  # type: ignore[attr-defined]
    x: Any = np.zeros((1, *example.shape), example.dtype)
    y: Any = np.zeros(1, np.int32)
    w: Any = network.task.weights("all")  # type: ignore[attr-defined]
    labelled = LabelledTrait(x, y, w)
    with float64():
        return replace(at_rest(network, like, x, w, Bowl(like, like) if trait == "bowl" else labelled), loss=loss)


def _read(like: Any, told: Any, name: str) -> Any:
    """A tree of arrays like another one; the number of examples and of ε may differ, nothing else."""
    paths, tree = jax.tree.flatten_with_path(like)
    if len(told) != len(paths):
        raise ValueError(f"{name} has {len(told)} arrays instead of {len(paths)}")
    leaves = []
    for path, leaf in paths:
        before = np.asarray(leaf)
        value = np.asarray(told[jax.tree_util.keystr(path)], before.dtype)
        free = name in ("x", "weights", "eps", "trait") and before.ndim > 0
        shapes = [a.shape[1:] if free else a.shape for a in (value, before)]
        if shapes[0] != shapes[1] or value.ndim != before.ndim or not np.all(np.isfinite(value)):
            raise ValueError(f"{name} has the wrong shape, or numbers that are not finite")
        leaves.append(value)
    return jax.tree.unflatten(tree, leaves)
