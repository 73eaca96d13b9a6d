"""What a page says of one claim: how near measured is to predicted, how to run its worst case again, what proves it."""

import math
import re
from collections.abc import Mapping
from typing import Any

from subtheory import resources
from subtheory.claims import CLAIMS
from subtheory.pages import mathml
from subtheory.pages.numbers import number, share
from subtheory.pages.picture import picture
from subtheory.verification.results import ClaimResult

KEPT = {
    "--quick": 0, "--full": 0, "--network": 1, "--loss": 1, "--channel": 1, "--model": 1, "--eps": 1, "--trait": 1,
    "--tokens": 1, "--layers": 1, "--without": 1,
}  # fmt: skip
"""Flags of `subtheory verify` that say what is run, and how many words each takes: a seed gives the same with them."""

RESOLVED = 1e-12
"""A relative difference below is rounding, and no multiple of ε."""


def difference(measured: float, predicted: float) -> tuple[str, float]:
    """How far measured is from predicted, relative to it where it is not 0, in words and as a number."""
    if not (math.isfinite(measured) and math.isfinite(predicted)):
        return "", math.nan
    off = abs(measured - predicted)
    if not off:
        return "equal to the last digit", 0.0
    if not predicted:
        return f"off by {number(off, 2)}", off
    off /= abs(predicted)
    return f"relative difference {number(off, 2)}", off


def at_eps(result: ClaimResult) -> float:
    """The ε at which the worst run is read; NaN where it is about no single one."""
    runs = result.every.table
    found = runs[(runs["measured"] == result.measured) & (runs["margin"] == result.margin)]
    return float(found["eps"][0]) if len(found) else math.nan


def agreement(result: ClaimResult) -> dict[str, Any]:
    """Measured beside predicted of the worst run: the difference first, where it is read, and what the formula allows.

    Both have as many digits as it takes to see that they are not the same.
    """
    said, off = difference(result.measured, result.predicted)
    digits = min(15, 2 - math.floor(math.log10(off))) if 0 < off < 1e-3 and result.predicted else 5
    pair = [f"measured {number(result.measured, digits)}", f"predicted {number(result.predicted)}"]
    eps = at_eps(result)
    where = f"at ε = {number(eps, 2)}" if math.isfinite(eps) else ""
    if where and off > RESOLVED:
        where += f", {number(off / eps, 2)} times ε"
    allowed = f"stated up to {order}" if (order := remainder(result.formula)) else ""
    margin = f"margin {number(result.margin, 3)}" if math.isfinite(result.margin) else ""
    rest = " · ".join(filter(None, [allowed, margin]))
    return {"said": said or "nothing to compare", "off": off, "lines": [", ".join(pair), *filter(None, [where, rest])]}


def remainder(formula: str) -> str:
    """The remainder that a formula states first, such as O(ε²); empty for an equality or a bound."""
    found = re.search(r"O\(ε[²³⁴]?\)", formula)
    return found[0] if found else ""


def again(result: ClaimResult, provenance: Mapping[str, Any]) -> str:
    """The command that runs the seed of the worst run again, on the same settings; empty where none is known."""
    words = str(provenance.get("command", "")).split()
    seed = re.search(r"/ seed (\d+)$", result.worst)
    if words[:2] != ["subtheory", "verify"] or not seed or result.name not in CLAIMS:
        return ""
    kept, i = list[str](), 2
    while i < len(words):
        name, equals, _ = words[i].partition("=")
        width = 1 if equals else 1 + KEPT.get(name, 0)
        kept += words[i : i + width] if name in KEPT else []
        i += width
    return " ".join([*words[:2], result.name, *kept, "--seed", seed[1], "--seeds", "1"])


def proof_of(result: ClaimResult) -> dict[str, str]:
    """Name and source of the proof that a claim names; no source where there is no such file."""
    path = resources.proofs() / f"{result.proof}.py"
    plain = re.fullmatch(r"\w+", result.proof)
    return {"name": result.proof, "text": path.read_text("utf-8") if plain and path.is_file() else ""}


def shown(result: ClaimResult, provenance: Mapping[str, Any]) -> dict[str, Any]:
    """A claim as the report's template takes it: with its assumptions in words, and what was found without each."""
    found = {control.without: control for control in result.controls}
    known = CLAIMS[result.name].assumptions if result.name in CLAIMS else ()
    sentences = {assumption.name: assumption.sentence for assumption in known}
    sentences |= {name: "" for name in found if name not in sentences}
    return {
        **result.stated(),
        "math": mathml.math(result.formula),
        "why": result.why,
        "verdict": str(result.verdict),
        "ok": result.ok,
        "broke": result.broke,
        "tried": len(result.tried),
        "failures": failures(result),
        "agreement": agreement(result),
        "again": again(result, provenance),
        "picture": picture(result),
        "proved": proof_of(result),
        "assumptions": [
            {"name": name, "sentence": sentence, "control": found.get(name)} for name, sentence in sentences.items()
        ],
    }


def failures(result: ClaimResult) -> str:
    """In which share of their runs the claim failed without an assumption: the least of all that were tried."""
    shares = [control.failed_fraction for control in result.tried if math.isfinite(control.failed_fraction)]
    if not shares:
        return ""
    least, most = share(min(shares)), share(max(shares))
    return (
        f"fails in {least} of runs without it"
        if len(shares) == 1
        else (
            f"fails in {least} of runs without each"
            if least == most
            else f"fails in {least} to {most} of runs without one"
        )
    )
