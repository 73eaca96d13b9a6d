"""README and docs/ say what is so: their examples run, and their links, commands, files and names exist."""

import doctest
import re
from dataclasses import fields
from inspect import signature
from pathlib import Path

import pytest

from subtheory import verify
from subtheory.certificate.cases import CASES
from subtheory.claims import CLAIMS, OVER_READINGS
from subtheory.cli.parser import build
from subtheory.data import CHANNELS
from subtheory.instruments.first_order import Measurement
from subtheory.language import channels, packaged
from subtheory.networks import NETWORKS
from subtheory.proof.coq import known
from subtheory.proof.statement import chosen
from subtheory.study.experiment import experiments
from subtheory.theory import views
from subtheory.theory.losses import LOSSES

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    ROOT / "README.md",
    *(ROOT / folder / "README.md" for folder in ("benchmarks", "proofs")),
    *sorted((ROOT / "docs").glob("*.md")),
]
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
PRINTED_VERBS = ("--version",)

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def fenced(text: str, language: str = "") -> list[str]:
    """The bodies of code blocks in that language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def prose(text: str) -> str:
    """The page without its code blocks."""
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def commands(text: str) -> list[list[str]]:
    """Every `subtheory VERB ...` in code blocks and backticks, without the comment behind it."""
    blocks = [line for block in fenced(text) for line in block.splitlines() if line.startswith("subtheory ")]
    spans = re.findall(r"`(subtheory [^`]+)`", prose(text))
    return [re.split(r"\s{2,}", each)[0].split()[1:] for each in blocks + spans]


@pytest.mark.parametrize(
    "page", [p for p in PAGES if ">>>" in p.read_text("utf-8")], ids=lambda page: page.relative_to(ROOT).as_posix()
)
def test_examples_print_what_they_show(page: Path) -> None:
    results = doctest.testfile(str(page), module_relative=False, optionflags=FLAGS, encoding="utf-8")
    assert results.failed == 0
    assert results.attempted > 0


@pages
def test_relative_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page.read_text("utf-8"))):
        if not re.match(r"https?:|#", target):
            assert (page.parent / target.split("#")[0]).exists(), f"{page.name} links to {target}"


def test_every_picture_is_shown() -> None:
    shown = {name for page in PAGES for name in re.findall(r"figures/([\w-]+\.svg)\)", page.read_text("utf-8"))}
    assert {path.name for path in (ROOT / "docs" / "figures").glob("*.svg")} == shown


@pages
def test_anchors_are_headings(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]*#[^)\s]+)\)", prose(page.read_text("utf-8"))):
        if not target.startswith("http"):
            path, anchor = target.split("#")
            text = (page.parent / path if path else page).read_text("utf-8")
            headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
            slugs = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
            assert anchor in slugs, f"{page.name} links to {target}"


@pages
def test_commands_parse(page: Path) -> None:
    placeholders = {"CLAIM": next(iter(CLAIMS)), "EXPERIMENT": "eps_ladder", "VERB": "claims"}
    placeholders |= {"PROOF": "kink", "NAME": "kink", "FOLDER": "smollm2"}
    known = {"network": [*NETWORKS, *packaged.KNOWN], "loss": LOSSES, "channel": [*CHANNELS, *channels.CHANNELS]}
    assumptions = {a.name for claim in CLAIMS.values() for a in claim.assumptions}
    for words in commands(page.read_text("utf-8")):
        if words[0] in PRINTED_VERBS:
            continue
        options = build().parse_args([placeholders.get(word, word) for word in words])
        named = {*getattr(options, "claims", []), getattr(options, "claim", None)} - {None}
        assert named <= set(CLAIMS) | (set(OVER_READINGS) if words[0] in ("falsify", "explain") else set())
        assert getattr(options, "experiment", "eps_ladder") in experiments()
        chosen(getattr(options, "proofs", []))
        assert getattr(options, "without", None) in {None, *assumptions}
        certified = {"network": CASES} if words[0] == "certify" else {}
        for field, names in (known | certified).items():
            for several in getattr(options, field, None) or []:
                assert set(several.split(",")) <= set(names)


@pages
def test_flags_exist(page: Path) -> None:
    """Of `subtheory`, of a benchmark or a script, of Dask, of coverage.py, or of pip."""
    text = page.read_text("utf-8")
    verbs = next(action for action in build()._actions if hasattr(action.choices, "values"))
    known = {flag for verb in verbs.choices.values() for flag in verb._option_string_actions} | {"--version"}
    known |= {"--host", "--nthreads", "--nworkers"} | {"--branch", "--source"} | {"--no-deps"}
    for script in (path for folder in ("benchmarks", "scripts") for path in (ROOT / folder).glob("*.py")):
        known |= set(re.findall(r'"(--[a-z-]+)"', script.read_text("utf-8")))
    assert set(re.findall(r"(?<![\w=-])--[a-z][a-z-]+(?!\w)", text)) <= known


@pages
def test_files_that_are_named_exist(page: Path) -> None:
    folders = "src|docs|tests|proofs|experiments|benchmarks|scripts"
    for name in re.findall(rf"`((?:{folders})/[\w./-]*)`", page.read_text("utf-8")):
        assert (ROOT / name).exists(), f"{page.name} names {name}"


def test_coq_theorems_that_are_named_exist() -> None:
    text = (ROOT / "proofs" / "README.md").read_text("utf-8")
    files = {path.stem for path in (ROOT / "proofs" / "coq").glob("*.v")}
    named = set(re.findall(r"\b([A-Z]\w+\.\w+)\b", text))
    named = {name for name in named if name.split(".")[0] in files and not name.endswith(".v")}
    assert named and named <= set(known())


@pages
def test_nothing_belongs_to_one_machine(page: Path) -> None:
    assert not re.search(r"/(tmp|home|work|opt|root|Users)/", page.read_text("utf-8"))


def test_every_verb_and_flag_is_documented() -> None:
    text = (ROOT / "docs" / "cli.md").read_text("utf-8")
    verbs = next(action for action in build()._actions if hasattr(action.choices, "values"))
    for name, verb in verbs.choices.items():
        assert f"| `{name}" in text
        for flag in verb._option_string_actions:
            assert flag == "-h" or flag in text


def test_every_argument_of_verify_is_documented() -> None:
    text = (ROOT / "docs" / "own-network.md").read_text("utf-8")
    for name in set(signature(verify).parameters) - {"progress"}:
        assert name in text


def test_every_field_of_a_measurement_is_documented() -> None:
    text = (ROOT / "docs" / "own-network.md").read_text("utf-8").split("## A claim of your own")[1].split("## ")[0]
    own = [name for name, value in vars(Measurement).items() if isinstance(value, property)]
    assert re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE) == [*(f.name for f in fields(Measurement)), *own]


def test_every_view_is_on_its_page() -> None:
    text = (ROOT / "docs" / "channel.md").read_text("utf-8")
    shown = {name for name in views.__all__ if isinstance(getattr(views, name), type)}
    abstract = {name for name in shown if not hasattr(getattr(views, name), "name")}
    assert shown - abstract - {"Then"} <= set(re.findall(r"`(\w+)`", text))
    for name in re.findall(r"`([a-z]+(?:-[a-z]+)+)`", prose(text)):
        assert name in CLAIMS, f"no claim is called {name}"
