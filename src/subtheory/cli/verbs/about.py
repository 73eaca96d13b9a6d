"""`subtheory doctor`, `cite` and `completion`: the machine, whom to credit, and what a shell is told."""

from argparse import Namespace
from typing import Any

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
    """Answer one of the three."""
    if options.verb == "completion":
        from subtheory.cli import completion

        return completion.main(options)
    if options.verb == "cite":
        if options.json:
            print_json({"references": REFERENCES})
        else:
            print("\n\n".join(bibtex(key, entry) for key, entry in REFERENCES.items()))
        return 0
    return _examined(options)


def bibtex(key: str, entry: dict[str, str]) -> str:
    """One BibTeX entry."""
    fields = [f"  {name} = {{{value}}}," for name, value in entry.items() if name != "type"]
    return "\n".join([f"@{entry['type']}{{{key},", *fields, "}"])


def _examined(options: Namespace) -> int:
    """Print what there is and what is wrong with it; 4 if a known answer is wrong, or cannot be computed."""
    if fault := environment.fault():
        variable, said = fault
        told = {"item": variable, "wrong": f"JAX does not start: {said}", "advice": f"unset {variable}, or correct it"}
        _tell({}, [told], options)
        return 4
    environment.prepare(cache=not options.no_cache)
    from subtheory import known_answers
    from subtheory.cli import doctor

    _tell(doctor.items(), [found._asdict() for found in doctor.findings()], options)
    known_answers.require()
    return 0


def _tell(items: dict[str, Any], findings: list[dict[str, str]], options: Namespace) -> None:
    if options.json:
        print_json(items | {"findings": findings})
        return
    print_table("doctor", [{"item": key, "value": _text(value)} for key, value in items.items()])
    for found in findings:
        print(f"{found['item']}: {found['wrong']} → {found['advice']}")
    if not findings:
        print("nothing is wrong")


def _text(value: Any) -> str:
    return ", ".join(f"{k}={v}" for k, v in value.items()) or "-" if isinstance(value, dict) else str(value)
