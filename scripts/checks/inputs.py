"""R6: wrong inputs, made by Hypothesis: numbers, names, flags, options, archives, certificates and other files.

Each kind draws commands with one thing wrong in them, and says which field the one line has to name. Commands that are
wrong are refused before anything is computed, so that thousands cost seconds.
"""

import json
import os
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from checks import hostile
from checks.command import said
from checks.row import Row
from subtheory.certificate import document
from subtheory.claims import CLAIMS, OVER_READINGS
from subtheory.cli.parser import build
from subtheory.data import CHANNELS
from subtheory.lineage import record
from subtheory.networks import NETWORKS
from subtheory.records import cell_id

Wrong = tuple[list[str], str]
"""A command, and what its line has to name."""

EACH, FEW = 60, 5
"""Commands of every kind, and those of a quick look."""

JUDGED = ("counterexample",)
"""Of what says another case that is one, the claim is judged anew: no wrong input, and not counted."""

REFUSED = {"certificate": (4,), "counterexample": (4,)}
"""What is stored and wrong has another exit code than what is typed and wrong."""


# Values that fit nowhere --------------------------------------------------------------------------


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


TEXTS = st.text(st.characters(exclude_categories=()), max_size=30) | st.sampled_from(
    ["", " ", "\udcff", "\x1b[2J", "a\nb", "ε", "None", "true", "1,2", "1e", "0x1", "--", "9" * 5000 + "x", "<script>"]
)
NO_NUMBER = st.sampled_from(["nan", "inf", "-inf", "-1", "1e400"]) | TEXTS.filter(lambda text: not _number(text))
JUNK: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, [], {}, [[]], "", "x", "nan", "1/0", "1e999999999", -1, 0.5, 10**400, {"a": 1}, "<script>", "a" * 1000]
)


def _unknown(*known: str) -> st.SearchStrategy[str]:
    """A name that is not there, and no flag; commas separate names."""
    return TEXTS.filter(lambda text: text.split(",")[0] not in known and text[:1] != "-" and text != "")


# Kinds ---------------------------------------------------------------------------------------------

NUMBERS = [
    (["verify"], "eps"), (["verify"], "seeds"), (["verify"], "seed"), (["verify"], "processes"),
    (["certify"], "upto"), (["certify"], "alpha"), (["certify"], "seed"), (["falsify", "sign-rule"], "budget"),
    (["falsify", "sign-rule"], "seed"), (["ablate", "init"], "eps"), (["ablate", "init"], "seeds"),
    (["ablate", "init"], "seed"), (["ablate", "init"], "amounts"), (["run", "heads"], "seeds"),
]  # fmt: skip


@st.composite
def numbers(draw: Any, place: Path) -> Wrong:
    words, flag = draw(st.sampled_from(NUMBERS))
    value = draw(NO_NUMBER)
    return [*words, f"--{flag}={value}"], flag


NAMES = [
    (["verify", "{}"], "claim"), (["explain", "{}"], "claim"), (["falsify", "{}"], "claim"), (["prove", "{}"], ""),
    (["run", "{}"], "experiment"), (["paper", "{}"], "figure"), (["verify", "--network={}"], "network"),
    (["verify", "--loss={}"], "loss"), (["verify", "--channel={}"], "channel"), (["verify", "--without={}"], "without"),
    (["verify", "--device={}"], "--device"), (["certify", "--network={}"], "network"),
    (["certify", "--loss={}"], "loss"),
    (["ablate", "init", "--path={}"], "path"), (["ablate", "init", "--network={}"], "network"),
    (["ablate", "init", "--channel={}"], "channel"), (["ablate", "init", "--teacher={}"], "teacher"),
    (["ablate", "init", "--outputs={}"], "--outputs"), (["figures", "--venue={}"], "--venue"), (["{}"], "VERB"),
    (["verify", "--shard={}"], "shard"), (["verify", "--model={}"], "model"), (["forecast", "--model={}"], ""),
]  # fmt: skip


@st.composite
def names(draw: Any, place: Path) -> Wrong:
    words, field = draw(st.sampled_from(NAMES))
    name = draw(_unknown(*CLAIMS, *OVER_READINGS, *NETWORKS, *CHANNELS, "all", "x"))
    return [word.replace("{}", name) for word in words], field


@st.composite
def flags(draw: Any, place: Path) -> Wrong:
    """One that there is not."""
    verb = draw(st.sampled_from(list(build()._subparsers._group_actions[0].choices)))  # type: ignore[union-attr,arg-type]
    flag = "--x" + draw(st.text(st.characters(codec="ascii", categories=("L",)), max_size=8))
    return [verb, flag], ""


@st.composite
def options(draw: Any, place: Path) -> Wrong:
    """Options of an experiment."""
    key, value = draw(st.sampled_from(["seeds", "rows", "few"])), draw(NO_NUMBER)
    text, field = draw(st.sampled_from([(f"{key}={value}", key), (f"x{key}={value}", f"x{key}"), (key, "set")]))
    return ["run", "rounding", "--set", text], field


@st.composite
def archives(draw: Any, place: Path) -> Wrong:
    """Parameters and rows with one array that is missing, new, of another shape or type, or not finite."""
    flag = draw(st.sampled_from(["teacher", "data", "control", "student"]))
    rows = flag in ("data", "control")
    arrays = dict(np.load(place / ("rows.npz" if rows else "teacher.npz")))
    name, how = draw(st.sampled_from(sorted(arrays))), draw(st.sampled_from(["none", "new", "shape", "text", "finite"]))
    if how == "none":
        del arrays[name]
    elif how == "new":
        arrays[f"new{draw(st.integers(0, 9))}"] = np.zeros(draw(st.integers(0, 3)))
    elif how == "shape":
        arrays[name] = arrays[name][: draw(st.integers(0, len(arrays[name]) - 1))]
    elif how == "text":
        arrays[name] = np.full(arrays[name].shape, draw(st.sampled_from(["x", "ε"])))
    else:
        arrays[name] = np.where(np.arange(arrays[name].size).reshape(arrays[name].shape) == draw(st.integers(0, 7)),
                                draw(st.sampled_from([np.nan, np.inf, -np.inf])), arrays[name])  # fmt: skip
    np.savez(place / "wrong.npz", **arrays)
    return hostile.READERS[f"forecast --{flag}"].words(place / "wrong.npz", place), flag


def _spoilt(draw: Any, value: Any) -> Any:
    """One place of some JSON that says something else: gone, or junk of another type."""
    if isinstance(value, dict) and value:
        name = draw(st.sampled_from(sorted(value)))
        rest = {key: one for key, one in value.items() if key != name}
        return rest if draw(st.integers(0, 4)) == 0 else value | {name: _spoilt(draw, value[name])}
    if isinstance(value, list) and value:
        i = draw(st.integers(0, len(value) - 1))
        return [*value[:i], _spoilt(draw, value[i]), *value[i + 1 :]]
    return draw(JUNK.filter(lambda junk: type(junk) is not type(value) and junk != value))


@st.composite
def certificates(draw: Any, place: Path) -> Wrong:
    """The hash is right, what it is of is not."""
    found = json.loads((place / "certificate.json").read_text())
    part = draw(st.sampled_from(["problem", "statements"]))
    body = found | {part: _spoilt(draw, found[part])}
    try:
        numbers = {"problem": body["problem"], "statements": body["statements"]}
        body |= {"sum": str(document.total(numbers))}
    except Exception:  # junk has no sum: the old one stays
        pass
    (place / "wrong.json").write_text(json.dumps(body | {"sha256": document.digest(body)}))
    return ["certify", "--check", str(place / "wrong.json")], ""


@st.composite
def counterexamples(draw: Any, place: Path) -> Wrong:
    found = json.loads((place / "counterexample.json").read_text())
    body = {key: value for key, value in found.items() if key != "sha256"}
    body |= {"case": _spoilt(draw, body["case"] | {"shown": {}})}
    if "shown" not in body["case"] or body["case"]["shown"] != {}:  # which is for readers, and is not read
        body["case"] = {}
    (place / "wrong.json").write_text(json.dumps({"sha256": cell_id(body), **body}))
    return ["falsify", "--replay", str(place / "wrong.json"), "--no-cache"], ""


@st.composite
def lineages(draw: Any, place: Path) -> Wrong:
    """A file of which one line says what none may, with hashes that are right."""
    good = {"model": "m", "hash": "a" * 64}
    entry = _spoilt(draw, good) if draw(st.booleans()) else good | {draw(st.sampled_from(["x", "ε"])): draw(JUNK)}
    lines, after = [], record.FORMAT
    for one in ({"model": "base", "hash": "b" * 64}, entry):
        line, after = record.sealed(one, after)
        lines.append(line)
    (place / "wrong.jsonl").write_bytes(b"".join(lines))
    return ["lineage", str(place / "wrong.jsonl"), "check"], "line 2"


CODE = [
    (["falsify", "--claims", "{}"], "claims"), (["verify", "--model={}:x"], "model"),
    (["ablate", "init", "--model={}:x"], "model"),
]  # fmt: skip


@st.composite
def claims(draw: Any, place: Path) -> Wrong:
    """A file of a user's own that does not run, or has nothing."""
    text = draw(st.sampled_from(["a = ", "import nothing_there", "1 / 0", "raise SystemExit", "a = 1", "@claim", "\0"]))
    (place / "wrong.py").write_text(f"{text}\n# {draw(st.integers(0, 10**6))}\n")
    words, field = draw(st.sampled_from(CODE))
    return [word.replace("{}", str(place / "wrong.py")) for word in words], field


KINDS: dict[str, Callable[[Path], st.SearchStrategy[Wrong]]] = {
    "number": numbers, "name": names, "flag": flags, "option": options, "archive": archives, "lineage": lineages,
    "claims": claims, "certificate": certificates, "counterexample": counterexamples,
}  # fmt: skip

MADE = {
    "certificate": ["certify", "--network", "tanh-2-4-2", "--loss", "squared-error", "--upto", "1e-3", "--out"],
    "counterexample": ["falsify", "dichotomy-for-every-convex-loss", "--budget", "60", "--no-cache", "--out"],
}
"""Good files that are spoilt."""


def r6(quick: bool = False, kinds: tuple[str, ...] = tuple(KINDS)) -> Row:
    """So many commands of every kind, the same ones every time."""
    row, home = Row("wrong inputs", "≥ 200: one line that names the field"), Path.cwd()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        place = hostile.good(Path(folder))
        os.chdir(place)
        try:
            for kind in kinds:
                if kind in MADE:
                    said([*MADE[kind], f"{kind}.json"])
                _tried(row, kind, KINDS[kind](place), FEW if quick else EACH)
        finally:
            os.chdir(home)
    row.found = f"{len(kinds)} kinds"
    return row


def _tried(row: Row, kind: str, wrong: st.SearchStrategy[Wrong], count: int) -> None:
    @settings(max_examples=count, database=None, deadline=None, derandomize=True, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(wrong)
    def one(drawn: Wrong) -> None:
        words, field = drawn
        outcome = said(words, 60)
        if kind in JUDGED and outcome.code in (0, 1) and not outcome.err:
            return
        found = outcome.wrong(REFUSED.get(kind, (2,)), field)
        row.tried(f"{kind}: {' '.join(map(ascii, words))[:300]}: {found}" if found else "")

    one()
