"""Write the table of docs/gallery.md: each experiment's figures, its command, how long that takes, what it must meet.

    python scripts/gallery.py RESULTS

Commands come from the experiments, times from what their sections in docs/ report of a default run, and tolerances
from the findings that an experiment judges its saved tables by; where RESULTS has none, the row keeps what it says.
"""

import re
import sys
from math import isfinite
from pathlib import Path

from subtheory.study import experiment
from subtheory.study.finding import Finding

ROOT = Path(__file__).resolve().parents[1]
GALLERY, MODELS = ROOT / "docs" / "gallery.md", ROOT / "docs" / "language-models.md"
MARKED = re.compile(r"(<!-- figures -->\n)(.*?)(<!-- /figures -->)", re.DOTALL)
HEAD = ("figure", "command", "time", "tolerance of its first finding")
NUMBER = r"(?:\d[\d,]*|[Aa]n?|[Hh]alf an?|[Tt]wo and a half|[Oo]ne|[Tt]wo|[Tt]hree|[Ff]our|[Ff]ive|[Ss]ix|[Ss]even) "
TIME = re.compile(rf"(?:{NUMBER})?(?:CPU )?(?:[Ss]econds|[Mm]inutes?|[Hh]ours?)(?: of CPU(?: time)?)?\b")
REPORTED = {
    "ablation": "20 CPU seconds",
    "llm_theorem": "ten minutes on two cores",
    "llm_lora": "552 CPU seconds",
    "llm_numbers": "half an hour",
}
"""Of experiments without a section: words of docs/language-models.md, and of the end of the gallery."""
UNKNOWN = "not reported"


def sections(text: str) -> dict[str, str]:
    """What the gallery says of each experiment, the first time that it names its command."""
    found: dict[str, str] = {}
    for name, said in re.findall(r"### `subtheory run (\w+)[^`]*`\n(.*?)(?=\n##|\Z)", text, re.DOTALL):
        found.setdefault(name, said)
    return found


def time(name: str, section: str) -> str:
    """The last time that its section states."""
    stated = TIME.findall(" ".join(section.split()))
    return stated[-1].lower().replace("cpu", "CPU") if stated else REPORTED.get(name, UNKNOWN)


def figures(name: str) -> list[str]:
    """Names of its figures, as files have them; one alone is named like the experiment."""
    titles = list(experiment.experiments()[name].captions)
    return [name] if len(titles) == 1 else [f"{name}-{title}" for title in titles]


def tolerance(findings: list[Finding]) -> str:
    """Where the number of the first finding that has an interval must fall."""
    for one in findings:
        ends = [f"{end:.3g}" if isfinite(end) else "" for end in (one.low, one.high)]
        if any(ends):
            words = (
                f"{ends[0]} to {ends[1]}" if all(ends) else f"{ends[0]} or more" if ends[0] else f"{ends[1]} or less"
            )
            return f"{one.says}: {words if ends[0] != ends[1] else ends[0]}"
    return ""


def rows(text: str, results: Path | None = None) -> list[list[str]]:
    """One row an experiment."""
    before = {line.split("`")[1].split()[2]: line.split(" | ")[-1].strip(" |") for line in table(text)}
    saved: dict[str, Path] = {}
    for name, folder in experiment.stored(results) if results else ():
        saved.setdefault(name, folder)
    said = sections(text)
    found = []
    for name, one in experiment.experiments().items():
        judged = one.findings(experiment.saved_tables(saved[name])) if name in saved else []
        bound = tolerance(judged).replace("|", r"\|") or before.get(name, "")
        drawn = ", ".join(
            f"[{each}](figures/{each}.svg)" if (GALLERY.parent / f"figures/{each}.svg").is_file() else each
            for each in figures(name)
        )
        found.append([drawn, f"`{one.command}`", time(name, said.get(name, "")), bound])
    return found


def table(text: str) -> list[str]:
    """The lines of its rows, as they stand there."""
    marked = MARKED.search(text)
    return [line for line in (marked[2].splitlines() if marked else []) if "`subtheory run " in line]


def current(text: str, results: Path | None = None) -> str:
    """The page with its table."""
    lines = [list(HEAD), ["---"] * len(HEAD), *rows(text, results)]
    written = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return MARKED.sub(lambda found: f"{found[1]}{written}\n{found[3]}", text)


if __name__ == "__main__":
    GALLERY.write_text(current(GALLERY.read_text("utf-8"), Path(sys.argv[1])), "utf-8")
