"""The documentation: nothing is missing from it, every public name says what it takes, and its links lead somewhere."""

import inspect
import os
import re
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "scripts"))
pytest.importorskip("sphinx", reason="no Sphinx: pip install -e '.[docs]'")

import handbook  # noqa: E402
from docutils.utils.math.latex2mathml import tex2mathml  # noqa: E402
from handbook import check, claims, mapped, outside, proofs, reference, text  # noqa: E402

import subtheory as st  # noqa: E402
from subtheory import atlas  # noqa: E402
from subtheory.claims import CLAIMS, OVER_READINGS  # noqa: E402
from subtheory.cli import main  # noqa: E402
from subtheory.falsification.search import searchable  # noqa: E402
from subtheory.study.experiment import experiments  # noqa: E402

WRITTEN = sorted((ROOT / "docs").glob("*.md"))
FENCE = re.compile(r"^(`{3,}|~{3,}).*?^\1", re.DOTALL | re.MULTILINE)


def prose(page: str) -> str:
    """Without blocks of code, and without what is only code in a line."""
    return re.sub(r"`[^`\n]*`", "", FENCE.sub("", page))


def anchors(page: str) -> set[str]:
    headings = {claims.slug(one) for one in re.findall(r"^#+ (.+)$", FENCE.sub("", page), re.MULTILINE)}
    return headings | set(re.findall(r"^:+\{py:\w+\} ([\w.]+)", page, re.MULTILINE))


@pytest.fixture(scope="module")
def site() -> dict[str, str]:
    """Every page by its place: those that are made, and those that are written, links as the site has them."""
    known = outside.places()
    names = {f"docs/{path.name}": path.read_text("utf-8") for path in WRITTEN}
    return handbook.everything() | {name: outside.rewritten(page, name, name, known) for name, page in names.items()}


def test_every_claim_proof_and_public_module_has_a_page(site: dict[str, str]) -> None:
    for name in [*CLAIMS, *OVER_READINGS]:
        assert f"docs/claims/{name}.md" in site
        assert f"[{name}]({name}.md)" in site["docs/claims/index.md"]
    assert {f"docs/proofs/{name}.md" for name in proofs.proofs()} <= set(site)
    assert {f"docs/reference/{module}.md" for module in reference.MODULES} <= set(site)
    for name in st._PUBLIC:
        assert f"}} subtheory.{name}" in site[f"docs/{reference.home(name)}.md"]


def test_a_page_of_a_claim_says_what_the_claim_says(site: dict[str, str]) -> None:
    for name, claim in CLAIMS.items():
        page = site[f"docs/claims/{name}.md"]
        for control in claim.controls:
            assert f"`{control.assumption.name}`" in page and text.escaped(control.declared) in page
        for command in (f"subtheory verify {name}", f"subtheory explain {name}"):
            assert command in page
        assert (f"subtheory falsify {name}" in page) == searchable(claim), name
        assert claim.proof in page


def test_every_experiment_is_shown() -> None:
    assert [name for name in experiments() if not claims.shown(name)] == []


def test_a_claim_shows_a_figure_of_each_experiment_that_measures_it(site: dict[str, str]) -> None:
    known, shown = atlas.read(), set[str]()
    for edge in known.edges:
        name = known.nodes[edge.source].name
        if edge.how != "measures" or name not in claims.pictures():
            continue
        page = site[f"docs/claims/{known.nodes[edge.target].name}.md"]
        image = claims.pictures()[name]
        assert image in page and len(re.findall(r"!\[", page)) <= 5
        words, file = re.fullmatch(r"!\[(.{10,})\]\(\.\./(figures/.*\.svg)\)", image).groups()  # type: ignore[union-attr]
        assert (ROOT / "docs" / file).is_file() and any(f"![{words}]({file})" in site[page] for page in site)
        shown.add(name)
    assert len(shown) >= 20


def test_the_map_has_its_drawing_and_every_box_leads_to_a_page(site: dict[str, str]) -> None:
    drawn = mapped.with_drawing("map", site["docs/map.md"]).split('<div class="map"')[1].split("</div>")[0]
    assert "\n\n" not in drawn and "<script" not in drawn, "a blank line would end the block of HTML"
    addresses = re.findall(r'<a href="([^"]+)"', drawn)
    assert len(addresses) == len(atlas.read().nodes)
    for address in addresses:
        path, _, anchor = address.partition("#")
        page = site[f"docs/{path.removesuffix('.html')}.md"]
        assert not anchor or anchor in anchors(page)
    assert {f"claims/{name}.html" for name in CLAIMS} <= set(addresses)
    assert mapped.with_drawing("theorem", site["docs/map.md"]) == site["docs/map.md"]


def test_every_page_is_in_a_table_of_contents(site: dict[str, str]) -> None:
    index = site["docs/index.md"]
    listed = {line for block in re.findall(r"```\{toctree\}(.*?)```", index, re.DOTALL) for line in block.split("\n")}
    made = {"claims/index", "proofs/index", "reference/index"}
    assert {path.stem for path in WRITTEN} - {"index"} | made <= listed
    assert {
        page.removeprefix("docs/").removesuffix(".md") for page in outside.places().values() if "/project/" in page
    } <= listed


def test_links_lead_to_pages_files_and_anchors(site: dict[str, str]) -> None:
    wrong = []
    for name, page in site.items():
        for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
            path, _, anchor = target.partition("#")
            if re.match(r"[a-z]+:", target):
                continue
            to = os.path.normpath(os.path.join(os.path.dirname(name), path)) if path else name
            if to not in site and not (ROOT / to).exists():
                wrong.append(f"{name}: {target}")
            elif anchor and to in site and anchor not in anchors(site[to]):
                wrong.append(f"{name}: no anchor {target}")
    assert not wrong


def test_formulas_are_set() -> None:
    for path in WRITTEN:
        for formula in re.findall(r"\$\$(.*?)\$\$", path.read_text("utf-8"), re.DOTALL):
            assert "<math" in tex2mathml(formula, as_block=True)


def _named(name: str, docstring: str) -> bool:
    return bool(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", docstring))


FUNCTIONS = [name for name in st._PUBLIC if inspect.isroutine(getattr(st, name))]
CLASSES = [name for name in st._PUBLIC if inspect.isclass(getattr(st, name))]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_public_function_says_what_it_takes_gives_and_raises(name: str) -> None:
    """Each argument by its name, but for d, the distillation; "as `other` takes" stands for the words of that one."""
    function = getattr(st, name)
    said = inspect.getdoc(function) or ""
    for other in re.findall(r"as `(\w+)` takes", said):
        said += inspect.getdoc(getattr(st, other)) or ""
    signature = inspect.signature(function)
    assert [one for one in signature.parameters if one != "d" and not _named(one, said)] == []
    assert signature.return_annotation is not inspect.Signature.empty
    assert "Raises" in said or "errors" in said


@pytest.mark.parametrize("name", CLASSES)
def test_a_public_class_says_what_it_is_and_has(name: str) -> None:
    """Each field by its name, or with a sentence below it; each member with a docstring, its own or of the protocol."""
    value: Any = getattr(st, name)
    said = value.__doc__ or ""
    assert said and not said.startswith(f"{name}(")
    below = reference._said(value)
    own = [field.name for field in fields(value) if not field.name.startswith("_")] if is_dataclass(value) else []
    assert [field for field in own if not below.get(field) and not _named(field, said)] == []
    assert [member for member, _, told in reference.members(value) if not told] == []


def test_every_other_public_name_has_a_sentence() -> None:
    others = set(st._PUBLIC) - set(FUNCTIONS) - set(CLASSES)
    assert [name for name in sorted(others) if not reference.sentence(f"subtheory.{st._PUBLIC[name]}", name)] == []


@pytest.mark.parametrize("module", reference.MODULES)
def test_a_module_that_is_named_has_words_for_all_that_it_lists(module: str) -> None:
    loaded = sys.modules.get(module) or __import__(module, fromlist=["_"])
    for name in reference.names(module):
        value = getattr(loaded, name)
        documented = inspect.getdoc(value) if callable(value) else reference.sentence(module, name)
        assert documented, f"{module}.{name}"


def _cheap() -> list[str]:
    """Commands that pages show and that end at once."""
    shown = {line for path in [ROOT / "README.md", *WRITTEN] for line in _commands(path.read_text("utf-8"))}
    cheap = re.compile(r"subtheory (claims|cite|explain [a-z-]+|--version|run \w+ --options)( --(json|bibtex))*$")
    return sorted(line for line in shown if cheap.match(line))


def _commands(page: str) -> list[str]:
    lines = [
        line for block in re.findall(r"^```\n(.*?)^```", page, re.DOTALL | re.MULTILINE) for line in block.split("\n")
    ]
    return [re.split(r"\s{2,}", line)[0] for line in [*lines, *re.findall(r"`(subtheory [^`\n]+)`", page)]]


def test_commands_that_end_at_once_are_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(_cheap()) >= 2
    for line in _cheap():
        try:
            code = main(line.split()[1:])
        except SystemExit as end:
            code = end.code or 0
        assert code == 0, line
        assert capsys.readouterr().out


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.name)
def test_code_of_pages_runs_or_says_where_it_goes(path: Path) -> None:
    """Examples with >>> are run by tests/test_docs.py; what goes into a file names it; the rest runs."""
    for block in re.findall(r"^```python\n(.*?)^```", path.read_text("utf-8"), re.DOTALL | re.MULTILINE):
        if not re.match(r">>> |# \S+\.py", block):
            exec(compile(block, path.name, "exec"), {"__name__": "page"})  # the code is our own page


def test_prose_is_escaped_and_numbers_are_links() -> None:
    assert text.inline("ε*N_k of `a_b` (P5), **not** g10x") == r"ε\*N\_k of `a_b` (P5), **not** g10x"
    assert text.inline("see P5", "theory.md") == "see [P5](theory.md#p5)"
    assert text.markdown("One.\n\n    D = 1\n\n- a_b\n- c") == "One.\n\n```text\nD = 1\n```\n\n- a\\_b\n- c"
    assert text.fenced("```").startswith("````")


def test_links_to_files_outside_the_folder_lead_to_their_pages() -> None:
    known = {"proofs/kink.py": "docs/proofs/kink.md", "README.md": "docs/project/readme.md"}
    page = "[a](../proofs/kink.py) [b](../README.md#c) [d](theory.md) [e](https://x.y)\n```\n[f](../README.md)\n```"
    wanted = "[a](proofs/kink.md) [b](project/readme.md#c) [d](theory.md) [e](https://x.y)\n```\n[f](../README.md)\n```"
    assert outside.rewritten(page, "docs/a.md", "docs/a.md", known) == wanted
    moved = outside.rewritten("![p](docs/figures/p.svg)", "README.md", "docs/project/readme.md", known)
    assert moved == "![p](../figures/p.svg)"


def test_what_is_no_longer_made_is_removed(tmp_path: Path) -> None:
    handbook.write(tmp_path, {"docs/claims/a.md": "a", "docs/claims/b.md": "b"})
    handbook.write(tmp_path, {"docs/claims/b.md": "c"})
    assert [path.name for path in (tmp_path / "docs" / "claims").iterdir()] == ["b.md"]


def test_the_look_at_built_pages_finds_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text('<a href="b.html#x">b</a><a class="k" href="#y">y</a><p id="y"></p>', "utf-8")
    (tmp_path / "b.html").write_text('<p id="x"></p><a href="https://x.y">x</a>', "utf-8")
    assert check.problems(tmp_path) == []
    (tmp_path / "b.html").write_text('<script src="https://x.y/z.js"></script><a href="c.html">c</a>', "utf-8")
    assert [line.split(": ")[1].split()[0] for line in check.problems(tmp_path)] == ["no", "fetches", "no"]
