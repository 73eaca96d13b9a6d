"""The report of a verification: one page that opens offline and runs no code, and its tables as files."""

import base64
import json
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from subtheory import citations, figure, resources, table
from subtheory.claim import Verdict
from subtheory.claims import CLAIMS
from subtheory.errors import InputError
from subtheory.files import write_atomic
from subtheory.study import ladder
from subtheory.verification.results import ClaimResult, Verification

SIGNS = {name: said.split()[0] for name, said in table.VERDICTS.items()}


def write(verification: Verification, folder: Path | str, rungs: Sequence[ladder.Row] = ()) -> Path:
    """Write report.html, tables/ and, given rows of the ladder of ε, figures/; the path of the page.

    Equal inputs give equal bytes: there is no clock in it. What can be written is written; then InputError is raised
    on "output", naming what could not.
    """
    folder = Path(folder)
    texts = {
        "claims.csv": table.to_csv(verification.claim_table()),
        "controls.csv": table.to_csv(verification.control_table()),
        "claims.tex": verification.to_latex(),
        "verify.json": to_json(verification),
    }
    failed: list[InputError] = []
    for name, text in texts.items():
        with _kept(failed):
            write_atomic(folder / "tables" / name, text)
    shown = None
    with _kept(failed):
        shown = _figure(folder / "figures", rungs) if rungs else None
    place = folder / "report.html"
    with _kept(failed):
        write_atomic(place, page(verification, shown))
    if failed:
        raise type(failed[0])("output", ", ".join(str(one.value) for one in failed), failed[0].wanted)
    return place


@contextmanager
def _kept(failed: list[InputError]) -> Iterator[None]:
    """Remember that a file could not be written, and go on to the next."""
    try:
        yield
    except InputError as error:
        failed.append(error)


def to_json(verification: Verification) -> str:
    """The text of verify.json, as schemas/verify.schema.json describes it."""
    return json.dumps(verification.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def page(verification: Verification, shown: dict[str, Any] | None = None) -> str:
    """The page as HTML; everything that comes from the verification is escaped."""
    claims = verification.claims
    overall, headline = _headline(verification)
    return template("report.html").render(
        signs=SIGNS,
        overall=str(overall),
        headline=headline,
        held=sum(claim.verdict is Verdict.HOLDS for claim in claims),
        broke=verification.broke,
        controls=verification.tried,
        runs=sum(claim.runs for claim in claims),
        control_runs=sum(control.runs for claim in claims for control in claim.controls),
        messages=verification.messages,
        claims=[_claim(claim) for claim in claims],
        figure=shown,
        provenance=[(name, _said(value)) for name, value in verification.provenance.items()],
    )


def template(name: str) -> jinja2.Template:
    """A page of ours, with everything escaped that is put into it."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(resources.PACKAGE / "pages" / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "cited": citations.html,
        "number": lambda x: "–" if math.isnan(x) else table.shown(x).replace("inf", "∞").replace("-", "−"),
        "share": lambda x: f"{100 * x:.3g} %" if math.isfinite(x) else "–",
    }
    return environment.get_template(name)


def _headline(verification: Verification) -> tuple[Verdict, str]:
    """The verdict over everything, and a sentence for it."""
    claims = verification.claims
    failed = sum(claim.verdict is Verdict.FAILS for claim in claims)
    wrong = sum(control.wrong for claim in claims for control in claim.controls)
    open_ = sum(claim.verdict in (Verdict.VACUOUS, Verdict.UNDECIDED) for claim in claims)
    unclear = sum(control.verdict is Verdict.UNDECIDED for claim in claims for control in claim.tried)
    if not claims:
        return Verdict.VACUOUS, "Nothing was verified"
    if not verification.ok:
        return Verdict.FAILS, f"Not as the theory says: claims that fail {failed}, controls not as declared {wrong}"
    if unclear and not open_:
        return Verdict.UNDECIDED, f"Every claim holds, but {unclear} of {verification.tried} controls remain undecided"
    if open_:
        return Verdict.UNDECIDED, f"No claim fails, but {open_} of {len(claims)} remain vacuous or undecided"
    return Verdict.HOLDS, "Every claim holds, and every control breaks as declared"


def _claim(result: ClaimResult) -> dict[str, Any]:
    """A claim with its assumptions in words, and what was found without each."""
    found = {control.without: control for control in result.controls}
    known = CLAIMS[result.name].assumptions if result.name in CLAIMS else ()
    sentences = {assumption.name: assumption.sentence for assumption in known} | {
        name: "" for name in found if name not in {assumption.name for assumption in known}
    }
    return {
        **result.stated(),
        "why": result.why,
        "verdict": str(result.verdict),
        "ok": result.ok,
        "broke": result.broke,
        "tried": len(result.tried),
        "assumptions": [
            {"name": name, "sentence": sentence, "control": found.get(name)} for name, sentence in sentences.items()
        ],
    }


def _figure(folder: Path, rungs: Sequence[ladder.Row]) -> dict[str, Any]:
    """Save the ladder's figure, and return it as the page holds it."""
    drawn, caption = figure.fitted(ladder.figure(rungs)), f"{ladder.QUESTION} Expected: {ladder.EXPECTED}"
    paths = figure.save(drawn, folder, ladder.NAME, list(rungs), caption)
    return {
        "name": ladder.NAME,
        "question": ladder.QUESTION,
        "expected": ladder.EXPECTED,
        "svg": inline(paths["svg"].read_text("utf-8"), ladder.QUESTION),
        **{ending: base64.b64encode(paths[ending].read_bytes()).decode() for ending in ("pdf", "csv")},
    }


def inline(svg: str, title: str) -> Markup:
    """An SVG file as an element of a page: no prolog, no metadata, no addresses, and a title to read aloud."""
    body = re.sub(r"\s*(<metadata>.*?</metadata>|<!--.*?-->)", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    body = re.sub(r' xmlns(:\w+)?="[^"]*"', "", body, count=2)
    named = Markup('<svg role="img" aria-label="{}"').format(title)
    return Markup(body.replace("<svg", named, 1))


def _said(value: Any) -> str:
    """A value of the provenance in one line."""
    if isinstance(value, dict):
        return ", ".join(f"{name}={item}" for name, item in value.items()) or "–"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "–"
    return str(value) or "–"
