"""The fuzz: it finds what is public, and sees a raw error, a hidden one and one of several lines as what they are."""

import importlib.util
from pathlib import Path

import pytest

import subtheory as st
from subtheory.api import spoken

FILE = Path(__file__).parents[1] / "scripts" / "fuzz.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("fuzz", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_few_calls_come_out_clean(script):
    """Both ways of finding what is called are used, and nothing raw comes back."""
    counts, listed = script.fuzz(200, 7)
    assert sum(found.total() for found in counts.values()) == 200
    assert {"verify", "alignment", "MLP", "Setting.but"} <= set(counts)
    assert not any(found["other"] for found in counts.values()), listed
    assert script.table(counts).splitlines()[-1].split()[:4] == ["|", "all", "|", "200"]


def test_every_public_callable_is_called(script):
    names = set(script.public())
    assert names >= {name for name in st.__all__ if callable(getattr(st, name)) and name[0].islower()}
    assert "InputError" not in names and "Verdict" not in names


def broken(error):
    def call():
        raise error

    return call


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (lambda: 1, "result"),
        (broken(st.InputError("x", 1, "must be 2")), "InputError"),
        (broken(st.DataError("a\nb")), "InputError"),
        (spoken(broken(ValueError("shapes"))), "passed on"),
        (broken(ValueError("shapes")), "other"),
        (broken(TypeError("two\nlines")), "other"),
        (broken(TypeError("of somebody else's")), "other"),
        (broken(SystemExit("gone")), "other"),
        (lambda: st.ladder(surplus=1), "other"),  # outside the script, whose own call this is
        (lambda: spoken(lambda x: x)(), "TypeError"),
    ],
)
def test_each_answer_is_what_it_is(script, call, kind):
    assert script.answer(call)[0] == kind
