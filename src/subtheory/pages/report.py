"""The report of a verification: one page that opens offline and asks for nothing, and its tables as files."""

import base64
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from subtheory import citations, envelope, figure, references, resources, table
from subtheory.claim import Verdict
from subtheory.claims import CLAIMS
from subtheory.errors import InputError
from subtheory.files import write_atomic
from subtheory.pages import claimed, scripted
from subtheory.pages.numbers import share
from subtheory.study import ladder
from subtheory.verification.results import Verification

SIGNS = {name: said.split()[0] for name, said in table.VERDICTS.items()}
RANKS = {str(verdict): i for i, verdict in enumerate(envelope.LEAST_FIRST)}
"""What to look at first."""


def write(
    verification: Verification, folder: Path | str, rungs: Sequence[ladder.Row] = (), beside: bool = False
) -> Path:
    """Write report.html, tables/ and, given rows of the ladder of ε, figures/; the path of the page.

    `beside` says that map.html and explorer.html are written beside it: the page then links to them.

    Equal inputs give equal bytes: there is no clock in it. What can be written is written; then InputError is raised
    on "output", naming what could not.
    """
    folder = Path(folder)
    texts = {
        "claims.csv": table.to_csv(verification.claim_table()),
        "controls.csv": table.to_csv(verification.control_table()),
        "claims.tex": verification.to_latex(),
        "references.bib": references.bibtex(
            references.references(CLAIMS[claim.name] for claim in verification.claims if claim.name in CLAIMS)
        ),
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
        write_atomic(place, page(verification, shown, beside))
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


def page(verification: Verification, shown: dict[str, Any] | None = None, beside: bool = False) -> str:
    """The page as HTML; everything that comes from the verification is escaped, and its one script is ours by hash."""
    claims = verification.claims
    overall, headline = _headline(verification)
    each = [claimed.shown(claim, verification.provenance) for claim in claims]
    script, planted = scripted.script("report"), planted_errors()
    return template("report.html").render(
        signs=SIGNS,
        beside=beside,
        ranks=RANKS,
        css=Markup((TEMPLATES / "report.css").read_text("utf-8")),
        script=script,
        digest=scripted.digest(script),
        overall=str(overall),
        headline=headline,
        missing=missing(verification, shown is not None, planted is not None),
        planted=planted,
        held=sum(claim.verdict is Verdict.HOLDS for claim in claims),
        broke=verification.broke,
        controls=verification.tried,
        runs=sum(claim.runs for claim in claims),
        control_runs=sum(control.runs for claim in claims for control in claim.controls),
        tiers=list(dict.fromkeys(claim.tier for claim in claims)),
        claims=each,
        proofs=list({one["proof"]: one["proved"] for one in each if one["proved"]["text"]}.values()),
        figure=shown,
        command=str(verification.provenance.get("command", "")),
        provenance=[(name, _said(value)) for name, value in verification.provenance.items()],
    )


def missing(verification: Verification, drawn: bool, audited: bool) -> list[str]:
    """What a reader could take to be in the report and is not, a line each."""
    claims, told = verification.claims, verification.provenance
    names = {claim.name for claim in claims}
    left = [name for name in CLAIMS if name not in names]
    silent = [str(claim.name) for claim in claims if claim.verdict is Verdict.VACUOUS]
    open_ = [str(claim.name) for claim in claims if claim.verdict is Verdict.UNDECIDED]
    untried = sum(not control.tried for claim in claims for control in claim.controls)
    unclear = sum(control.verdict is Verdict.UNDECIDED for claim in claims for control in claim.tried)
    words = str(told.get("command", "")).split()
    commit = str(told.get("commit", ""))
    lines = [
        *verification.messages,
        f"Only {len(CLAIMS) - len(left)} of {len(CLAIMS)} claims of the theory were verified" if left else "",
        f"Vacuous, at rounding level, so that nothing can be told: {', '.join(silent)}" if silent else "",
        f"Undecided, with too few runs: {', '.join(open_)}" if open_ else "",
        f"Assumptions that could not be broken on these settings: {untried}" if untried else "",
        f"Controls that remain undecided, with too few runs: {unclear}" if unclear else "",
        "A quick verification: a part of the networks, two seeds a setting" if "--quick" in words else "",
        "" if drawn else "No figure of the ladder of ε: it is drawn of built-in networks only",
        "" if audited else "Whether planted errors are caught was not measured: subtheory audit",
        "The proofs are not run by a verification, nor is Coq: subtheory prove",
        "" if told else "Where the numbers come from was not recorded",
        f"The code had changes that are not committed, beside {commit[:-1]}" if commit.endswith("+") else "",
    ]
    return [line for line in lines if line]


PLANTED = resources.PACKAGE / "pages" / "planted.json"
"""The last audit's table of planted errors; `scripts/planted.py` takes it over from what `subtheory audit` writes."""


def planted_errors() -> dict[str, Any] | None:
    """The stored table of planted errors, with the command that made it; None where there is none."""
    return json.loads(PLANTED.read_text("utf-8")) if PLANTED.is_file() else None


TEMPLATES = resources.PACKAGE / "pages" / "templates"


def template(name: str) -> jinja2.Template:
    """A page of ours, with everything escaped that is put into it."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters |= {"cited": citations.html, "share": share}
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
