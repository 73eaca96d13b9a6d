"""`subtheory doctor` and `subtheory cite`: the machine, and whom to credit."""

from argparse import Namespace
from typing import Any

from subtheory import session
from subtheory.cli import environment
from subtheory.cli.output import print_json, print_table

REFERENCES: dict[str, dict[str, str]] = {
    "subtheory": {
        "type": "software",
        "title": "subtheory: the theory of subliminal learning, stated as claims and verified",
        "author": "{The subtheory developers}",
        "year": "2026",
    },
    "cloud2025subliminal": {
        "type": "misc",
        "title": "Subliminal Learning: Language Models Transmit Behavioral Traits via Hidden Signals in Data",
        "author": "Cloud, Alex and Le, Minh and Chua, James and Betley, Jan and Sztyber-Betley, Anna and "
        "Hilton, Jacob and Marks, Samuel and Evans, Owain",
        "year": "2025",
        "eprint": "2507.14805",
        "archiveprefix": "arXiv",
    },
    "cloud2026nature": {
        "type": "article",
        "title": "Language models transmit behavioural traits through hidden signals in data",
        "author": "Cloud, Alex and Le, Minh and others",
        "journal": "Nature",
        "volume": "652",
        "number": "8110",
        "pages": "615--621",
        "year": "2026",
    },
}
"""The tool, and the papers whose theorem the claims restate."""


def main(options: Namespace) -> int:
    """Answer one of the two."""
    if options.verb == "cite":
        if options.json:
            print_json({"references": REFERENCES})
        else:
            print("\n\n".join(bibtex(key, entry) for key, entry in REFERENCES.items()))
        return 0
    found = examine(options)
    from subtheory import known_answers

    if options.json:
        print_json(found)
    else:
        rows = [{"item": key, "value": _text(value)} for key, value in found.items() if key != "warnings"]
        print_table("doctor", rows)
        print("\n".join(f"warning: {text}" for text in found["warnings"]) or "no warnings")
    known_answers.require()
    return 0


def bibtex(key: str, entry: dict[str, str]) -> str:
    """One BibTeX entry."""
    fields = [f"  {name} = {{{value}}}," for name, value in entry.items() if name != "type"]
    return "\n".join([f"@{entry['type']}{{{key},", *fields, "}"])


def examine(options: Namespace) -> dict[str, Any]:
    """Versions, devices and settings that change numbers or speed, and what to beware of."""
    environment.prepare(cache=not options.no_cache)
    import jax

    from subtheory.numerics import float64
    from subtheory.provenance import provenance

    with float64():
        inside = jax.numpy.ones(()).dtype
    found = provenance() | {
        "x64 outside checks": jax.numpy.ones(()).dtype == jax.numpy.float64,
        "float inside checks": str(inside),
        "compilation cache": "off" if options.no_cache else str(session.cache_folder()),
        "cache hits": f"{session.Programs.found} of the {session.Programs.asked} programs of this command",
    }
    return found | {"warnings": _warnings(found)}


def _warnings(found: dict[str, Any]) -> list[str]:
    said = []
    if found["platform"] == "tpu":
        said.append("float64 is emulated on TPU: expect the same verdicts, slowly")
    if "NPROC" not in found["environment"]:
        said.append("bits may differ between machines with other core counts; set NPROC=1 for bit-for-bit runs")
    if found["float inside checks"] != "float64":
        said.append("float64 is not available: no verdict can be trusted")
    return said


def _text(value: Any) -> str:
    return ", ".join(f"{k}={v}" for k, v in value.items()) or "-" if isinstance(value, dict) else str(value)
