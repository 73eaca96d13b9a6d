"""`subtheory doctor`, `cite` and `completion`: the machine, whom to credit, and what a shell is told."""

from argparse import Namespace
from typing import Any

from subtheory.cli import environment
from subtheory.cli.output import print_json, print_table


def main(options: Namespace) -> int:
    """Answer one of the three."""
    if options.verb == "completion":
        from subtheory.cli import completion

        return completion.main(options)
    if options.verb == "cite":
        return _cited(options)
    return _examined(options)


def _cited(options: Namespace) -> int:
    """The tool and the theorem, and what the claims that are named rest on."""
    from subtheory import references

    chosen = []
    if options.claims:  # the theory is loaded only then
        from subtheory.claims import CLAIMS
        from subtheory.suggest import choose

        chosen = [choose("claim", name, CLAIMS) for name in options.claims]
    found = references.references(chosen)
    if options.json:
        print_json({"references": found})
    else:
        print(references.bibtex(found), end="")
    return 0


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
