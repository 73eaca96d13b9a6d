"""Mutants: every kind of change is made where it says something, and a test that notices one ends it."""

import ast
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / "scripts"

SOURCE = '''
def f(a: list[int], b=-1, *, axis=0) -> dict[int, int]:
    """Of 3 things."""
    if not a[1:-1] or b < 2.5:
        raise ValueError(f"{1 + 1}", 7)
    for x, y in zip(a, b, strict=True):
        a += x * y
    return -g(a, b, axis=-1) / max(x, y) + h(a)[0]
'''
EXPECTED = {
    ("sign", "-1 → 1"),
    ("sign", "a += x * y → a -= x * y"),
    ("sign", "-g(a, b, axis=-1) / max(x, y) → g(a, b, axis=-1) / max(x, y)"),
    ("sign", "-g(a, b, axis=-1) / max(x, y) + h(a)[0] → -g(a, b, axis=-1) / max(x, y) - h(a)[0]"),
    ("factor", "x * y → x / y"),
    ("factor", "-g(a, b, axis=-1) / max(x, y) + h(a)[0] → -g(a, b, axis=-1) * max(x, y) + h(a)[0]"),
    ("dropped factor", "x * y → x"),
    ("dropped factor", "x * y → y"),
    ("dropped factor", "-g(a, b, axis=-1) / max(x, y) + h(a)[0] → -g(a, b, axis=-1) + h(a)[0]"),
    ("constant", "-1 → -2"),
    ("constant", "0 → 1"),
    ("constant", "b < 2.5 → b < 5.0"),
    ("index", "1:-1 → 2:-1"),
    ("index", "1:-1 → 1:-2"),
    ("index", "h(a)[0] → h(a)[1]"),
    ("axis", "axis=-1 → axis=0"),
    ("comparison", "not a[1:-1] or b < 2.5 → not a[1:-1] or b >= 2.5"),
    ("logic", "not a[1:-1] or b < 2.5 → a[1:-1] or b < 2.5"),
    ("logic", "not a[1:-1] or b < 2.5 → not a[1:-1] and b < 2.5"),
    ("arguments", "zip(a, b, strict=True) → zip(b, a, strict=True)"),
    ("arguments", "-g(a, b, axis=-1) → -g(b, a, axis=-1)"),
}


@pytest.fixture(scope="module")
def scripts():
    """Both scripts as modules."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SCRIPTS))
        import mutants
        import mutations

        yield mutants, mutations
    del sys.modules["mutants"], sys.modules["mutations"]


@pytest.fixture
def planted(scripts, tmp_path, monkeypatch):
    """A checkout of one module in place of ours."""
    for module in scripts:
        monkeypatch.setattr(module, "ROOT", tmp_path)
    path = tmp_path / "src" / "subtheory" / "theory" / "planted.py"
    path.parent.mkdir(parents=True)
    path.write_text(SOURCE)
    return path


def test_every_kind_of_change_is_made_and_nothing_else(scripts, planted):
    (path,) = scripts[1].modules()
    found = [(mutant.operator, mutant.change) for mutant, _ in scripts[1].every(path)]
    assert set(found) == EXPECTED and len(found) == len(EXPECTED)


def test_a_mutant_is_another_program_and_the_sample_is_the_same_again(scripts, monkeypatch):
    some = [f"src/subtheory/theory/{name}.py" for name in ("part", "losses", "alignment")]
    monkeypatch.setattr(scripts[1], "modules", lambda: some)
    sample = scripts[1].sample(20, 5)
    assert sample == scripts[1].sample(20, 5) != scripts[1].sample(20, 6)
    assert {m.path for m in sample} == set(some) and len({m.operator for m in sample}) == 9
    for mutant in sample:
        sound = ast.parse((SCRIPTS.parent / mutant.path).read_text("utf-8"))
        assert ast.dump(sound) != ast.dump(ast.parse(scripts[1].text(mutant)))


def test_tests_that_run_the_line_come_first_and_those_of_the_module_itself_before_others(scripts):
    mutants, mutations = scripts
    seconds = {"t/test_a.py::slow": 9.0, "t/test_a.py::fast": 1.0, "t/test_b.py::b": 0.1, "t/test_c.py::c": 20.0}
    lines = {"src/subtheory/theory/a.py": {"2": ["t/test_b.py::b", "t/test_a.py::slow"], "9": ["t/test_c.py::c"]}}
    known = mutants.Known(seconds, lines)
    mutant = mutations.Mutant("src/subtheory/theory/a.py", 0, 3, "f", "sign", "a → b")
    assert known.tests(mutant) == (
        ["t/test_a.py::slow", "t/test_b.py::b"],
        ["t/test_a.py::fast", "t/test_c.py::c"],
    )


def test_a_mutant_that_a_test_notices_is_killed_and_another_survives(scripts, planted, tmp_path, monkeypatch):
    mutants, mutations = scripts
    monkeypatch.setattr(mutants, "COPIED", ("src", "tests"))
    (planted.parents[1] / "__init__.py").write_text("")
    planted.write_text("def f(x):\n    return x * 3 + 0 * x\n")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_f.py").write_text(
        "from subtheory.theory.planted import f\n\n\ndef test_f():\n    assert f(2) == 6\n"
    )
    test, (path,) = "tests/test_f.py::test_f", mutations.modules()
    known = mutants.Known({test: 0.1}, {path: {"2": [test]}})
    tree = mutants.Tree.copied(tmp_path / "out" / "tree")
    by_change = {mutant.change: mutant for mutant, _ in mutations.every(path)}
    killed = tree.judged(by_change["x * 3 → x * 4"], known)
    assert killed["outcome"] == "killed" and test in killed["by"]
    assert tree.judged(by_change["x * 3 + 0 * x → x * 3 - 0 * x"], known)["outcome"] == "survived"
    assert (tree.folder / path).read_text() == planted.read_text()
    assert tree.collects(tree.folder / path, planted.read_text(), [test])
    (tree.folder / "tests" / "test_f.py").unlink()
    with pytest.raises(SystemExit, match="test_f"):
        tree.judged(by_change["x * 3 → x * 4"], known)


def test_what_is_listed_as_changing_nothing_is_a_mutant_with_a_reason(scripts):
    mutants, mutations = scripts
    names = {mutant.name for path in mutations.modules() for mutant, _ in mutations.every(path)}
    for name, reason in mutants.equivalent().items():
        assert name in names and reason.endswith("."), name
