"""R26, R27, R28: reports are the same bytes every time, ask for nothing and run nothing; figures are fit for print."""

import hashlib
import os
import re
import subprocess
import sys
import tempfile
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from shutil import which
from typing import Any

from checks.row import Row
from subtheory import figure
from subtheory.claim import Verdict
from subtheory.pages import report
from subtheory.study import experiment, ladder, saved
from subtheory.verification.results import ClaimResult, ControlResult, Verification

SCRIPTS = Path(__file__).parents[1]


def verification(name: str = "alignment-is-ggn-form") -> Verification:
    """One that says this name wherever a verification says anything."""
    control = ControlResult(name, Verdict.FAILS, 1.0, name, True, 16)
    claim = ClaimResult(
        name=name, statement=name, formula=name, source=name, tier="measured", run_tier="measured", proof=name,
        verdict=Verdict.VACUOUS, settings=12, seeds=8, runs=96, failed=0, vacuous_fraction=1.0, reason=name,
        measured=0.9999876543, predicted=float("nan"), margin=float("-inf"), worst=name, controls=(control,),
    )  # fmt: skip
    return Verification((claim, replace(claim, verdict=Verdict.FAILS)), {name: name, "seeds": [0, 1]}, (name,))


def rungs(name: str = "mlp") -> list[dict[str, Any]]:
    """Rows of the ladder of ε of a network of this name."""
    return [
        {"network": name, "init": init, "relative_size": x, "eps": x, "predicted": 1.0, "ratio": 1.0 + x, "size": y,
         "size_low": y / 2, "size_high": 2 * y, "error": x, "error_low": 0.0, "error_high": 2 * x,
         "rounding_bound": 1e-14 / x, "runs": 2}
        for init in ("shared", "independent") for x in (1e-6, 1e-3, 1e-1) for y in (1.0 if init == "shared" else 1 / x,)
    ]  # fmt: skip


# R26 ----------------------------------------------------------------------------------------------


def digests(folder: Path) -> str:
    """Name and SHA-256 of every file of a report that is written there."""
    report.write(verification("name <&> ε"), folder, rungs())
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return "\n".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()} {path.relative_to(folder)}" for path in files)


ELSEWHERE = (
    {"PYTHONHASHSEED": "1", "TZ": "Asia/Tokyo", "LC_ALL": "C"},
    {"PYTHONHASHSEED": "2", "TZ": "America/New_York", "LC_ALL": "C.UTF-8", "SOURCE_DATE_EPOCH": "1"},
)
"""Two processes that differ in what may show: the order of sets, the time, the language."""


def r26(quick: bool = False) -> Row:
    row = Row("the same records give the same report", "byte for byte, in two processes")
    code = "import sys; from pathlib import Path; from checks import pages; print(pages.digests(Path(sys.argv[1])))"
    said = []
    for other in ELSEWHERE:
        path = f"{SCRIPTS}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run([sys.executable, "-c", code, folder], env=os.environ | other | {"PYTHONPATH": path},
                                  capture_output=True, text=True, check=True, cwd=folder)  # fmt: skip
        said.append(done.stdout.splitlines())
    for one, other in zip(*said, strict=True):
        row.tried("" if one == other else f"{one} and {other}")
    row.found = ", ".join(sorted({Path(line).suffix for line in said[0]}))
    return row


# R27 ----------------------------------------------------------------------------------------------

RAN = "data-ran"
"""What the page's element has once a hostile script has run."""


def payloads(address: str) -> tuple[str, ...]:
    """Names that run a script or ask for something, if a page takes them as they are."""
    run = "document.documentElement.setAttribute('data-ran',1)"
    return (
        f"<script>{run}</script>", f"<img src=x onerror={run}>", f"\"onload=\"{run}\" onfocus=\"{run}\" autofocus=\"",
        f"<svg/onload={run}>", f"javascript:{run}", f"</style><script>{run}</script>",
        f"--></title><script>{run}</script>",
        f"<img src={address}/img>", f"<link rel=stylesheet href={address}/css>", f"<iframe src={address}/frame>",
        f"<meta http-equiv=refresh content='0;url={address}/gone'>", f"url({address}/url)", f"{{{{ 7*7 }}}}{address}",
        f"<a href='javascript:{run}' autofocus onfocus={run}>x</a>", f"<base href={address}/>", "\x1b[2J\0\u202e",
    )  # fmt: skip


class _Counts(BaseHTTPRequestHandler):
    asked: list[str]

    def do_GET(self) -> None:  # the library's name
        self.asked.append(self.path)
        self.send_response(404)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@contextmanager
def served() -> Iterator[tuple[str, list[str]]]:
    """An address on this machine, and what it is asked for."""
    asked: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Counts", (_Counts,), {"asked": asked}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


HEADLESS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
    "--enable-logging=stderr", "--virtual-time-budget=2000", "--dump-dom",
)  # fmt: skip
"""Prints the page as it is in the end; what the console says goes to standard error."""


def opened(browser: str, page: Path) -> tuple[str, str]:
    """The page as a browser has it after its scripts have run, and what its console says."""
    with tempfile.TemporaryDirectory() as profile:
        words = [browser, *HEADLESS, f"--user-data-dir={profile}"]
        done = subprocess.run([*words, page.as_uri()], capture_output=True, text=True, timeout=120, check=True)
    return done.stdout, "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)


def r27(quick: bool = False) -> Row:
    """Every payload in every place of a report; and first a page that takes them as they are, which has to be seen."""
    row = Row("the report alone, with hostile names", "0 requests, 0 scripts of theirs, 0 errors")
    browser = which("chromium") or which("chromium-browser") or which("google-chrome")
    if browser is None:
        row.skipped = "not measured: no Chromium here"
        return row
    with served() as (address, asked), tempfile.TemporaryDirectory() as folder:
        names = payloads(address)
        plain = Path(folder, "plain.html")
        plain.write_text("<!DOCTYPE html><html><body>" + "".join(names[:1] + names[7:8]), "utf-8")
        found, _ = opened(browser, plain)
        row.tried("" if RAN in found and asked else "a script that runs and a picture that is asked for are not seen")
        asked.clear()
        for i, name in enumerate(["\n".join(names)] if quick else [*names, "\n".join(names)]):
            page = report.write(verification(name), Path(folder, str(i)), rungs(name.split("\0")[0]))
            found, console = opened(browser, page)
            wrong = [f"asked for {asked}"] * bool(asked) + ["a script ran"] * (f"{RAN}=" in found.split("<head")[0])
            wrong += [f"says {console[:200]}"] * bool(console) + ["is not shown"] * ("report</h1>" not in found)
            row.tried(f"{name[:80]!r}: {', '.join(wrong)}" if wrong else "")
            asked.clear()
    row.found = "the first a page without escapes, which is seen to run and to ask"
    return row


# R28 ----------------------------------------------------------------------------------------------

TYPE3 = b"/Type3"
SCRIPT = 0.7
"""Size of an index or an exponent, over that of the text."""


def streams(pdf: bytes) -> Iterator[bytes]:
    """What is drawn in a PDF of matplotlib's."""
    for found in re.finditer(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL):
        try:
            yield zlib.decompress(found[1])
        except zlib.error:
            yield found[1]


def sizes(pdf: bytes) -> list[float]:
    """Of all text, in points: the numbers before Tf."""
    return [float(size) for data in streams(pdf) for size in re.findall(rb"/F\S+ ([0-9.]+) Tf", data)]


def width(pdf: bytes) -> float:
    """Of the page, in inches."""
    box = re.search(rb"/MediaBox \[ ?([0-9. ]+) ?\]", pdf)
    assert box
    left, _, right, _ = map(float, box[1].split())
    return (right - left) / 72


def fit(pdf: bytes, wanted: float) -> str:
    """What is wrong with a figure for a page of that width; empty if nothing is."""
    wrong = ["Type 3 fonts"] * (TYPE3 in pdf)
    wrong += [f"{width(pdf):.3f} in wide, not {wanted:.3f}"] * (abs(width(pdf) - wanted) > 0.01)
    text = sizes(pdf)
    wrong += ["no text"] * (not text)
    whole = [size for size in text if size >= figure.LEAST - 1e-6]
    small = [size for size in text if size not in whole and not any(abs(size - SCRIPT * of) < 0.01 for of in whole)]
    wrong += [f"{len(small)} of {len(text)} texts small, to {min(small):.2f} pt"] if small else []
    return ", ".join(wrong)


def r28(quick: bool = False) -> Row:
    """The report's figure at every venue; in full, those of two experiments too."""
    row = Row("figures for print", "0 Type 3 fonts, the venue's width to 0.01 in, text of 6 pt or more")
    with tempfile.TemporaryDirectory() as folder:
        if not quick:
            for name in ("eps_ladder", "rounding"):
                experiment.run(name, folder, quick=True)
        for venue, about in figure.VENUES.items():
            with figure.drawn_for(venue):
                paths = [
                    figure.save(figure.fitted(ladder.figure(rungs())), Path(folder, venue), "ladder", rungs())["pdf"]
                ]
            if not quick:
                paths += [path for path in saved.figures(folder, venue=venue) if path.suffix == ".pdf"]
            for path in paths:
                found = fit(path.read_bytes(), about.width)
                row.tried(f"{venue}, {path.name}: {found}" if found else "")
    row.found = f"indices and exponents are {SCRIPT} of their text"
    return row
