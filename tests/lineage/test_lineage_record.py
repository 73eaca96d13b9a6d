"""The file: a change in it is named, processes that append at once lose nothing, stopped writers are told."""

import hashlib
import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import subtheory
from subtheory.errors import InputError
from subtheory.lineage import Lineage, record


def sha(text):
    return hashlib.sha256(text.encode()).hexdigest()


def fill(path, count=5):
    """A base, and models that start from it."""
    lineage = Lineage.open(path)
    lineage.add_model("m0", sha("m0"))
    for i in range(1, count):
        lineage.add_model(f"m{i}", sha(f"m{i}"), "m0")
    return lineage


LINES = []
after = record.FORMAT
for i in range(5):
    line, after = record.sealed({"model": f"m{i}", "hash": sha(f"m{i}")}, after)
    LINES.append(line)


def opened(path, lines, **how):
    path.write_bytes(b"".join(lines))
    return Lineage.open(path, **how)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("lines") / "lineage.jsonl"


def test_what_is_written_is_read_and_nothing_else_is_in_the_file(place):
    place.unlink(missing_ok=True)
    lineage = fill(place)
    again = Lineage.open(place, head=lineage.head)
    assert (len(again), again.head) == (5, lineage.head)
    body = b"{" + place.read_bytes().splitlines()[-1].split(b",", 1)[1]
    assert lineage.head == hashlib.sha256(body).hexdigest(), "as anybody may check it"


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_byte_that_is_changed_is_found_in_its_line(place, data):
    whole = b"".join(LINES)
    at = data.draw(st.integers(0, len(whole) - 1))
    new = data.draw(st.integers(0, 255).filter(lambda byte: byte != whole[at]))
    place.write_bytes(whole[:at] + bytes([new]) + whole[at + 1 :])
    with pytest.raises(InputError) as told:
        Lineage.open(place)
    number = whole[:at].count(b"\n") + 1
    assert told.value.field == f"{place}, line {number}" and "\n" not in str(told.value)


@settings(max_examples=60, deadline=None)
@given(st.permutations(range(5)), st.sets(st.integers(0, 4)))
def test_lines_that_are_dropped_or_moved_are_found_where_the_order_ends(place, order, dropped):
    kept = [i for i in order if i not in dropped]
    right = next((k for k, i in enumerate(kept) if i != k), len(kept))
    lines = [LINES[i] for i in kept]
    if right == len(kept):  # the first lines in their order: only who knows the last one can tell
        assert len(opened(place, lines)) == right
        if right < 5:
            with pytest.raises(InputError, match=r"^head: .*lines are missing"):
                opened(place, lines, head=after)
        return
    with pytest.raises(InputError, match=rf"line {right + 1}: must follow the line before it"):
        opened(place, lines)


def test_a_line_that_was_sealed_again_breaks_the_next_one_and_a_whole_new_file_the_head(place):
    forged, other = record.sealed({"model": "m1", "hash": sha("forged")}, LINES[1].decode().split('"')[7])
    with pytest.raises(InputError, match="line 3: must follow"):
        opened(place, [LINES[0], forged, *LINES[2:]])
    assert len(opened(place, [LINES[0], forged])) == 2
    with pytest.raises(InputError, match="head"):
        opened(place, [LINES[0], forged], head=after)
    assert opened(place, [*LINES], head=LINES[1].decode().split('"')[3]).head == after != other


def test_a_line_that_a_writer_left_unfinished_is_told_and_put_aside_and_nothing_is_lost(place):
    for cut in (1, 40, len(LINES[3]) - 1):
        torn = [*LINES[:3], LINES[3][:cut]]
        with pytest.raises(InputError, match="line 4: must have an end"):
            opened(place, torn)
        with pytest.raises(InputError, match="line 4: must have an end"):
            opened(place, LINES[:3]) and place.write_bytes(b"".join(torn)) and Lineage.open(place)
        assert len(Lineage.open(place, mend=True)) == 3
        assert place.read_bytes() == b"".join(LINES[:3])
        aside = place.with_name(place.name + ".unfinished")
        assert aside.read_bytes() == LINES[3][:cut] + b"\n"
        aside.unlink()
    assert len(Lineage.open(place, mend=True)) == 3 and not aside.exists(), "there is nothing to mend"


def test_a_write_that_fails_leaves_the_file_as_it_was(place, monkeypatch):
    place.unlink(missing_ok=True)
    lineage = fill(place, 3)
    before = place.read_bytes()
    write = os.write
    monkeypatch.setattr(record.os, "write", lambda number, line: write(number, line[:30]))
    with pytest.raises(InputError, match="output: cannot be written"):
        lineage.add_model("more", sha("more"))
    monkeypatch.undo()
    assert place.read_bytes() == before
    lineage.add_model("more", sha("more"))
    assert len(Lineage.open(place)) == 4


WRITER = """
import hashlib, sys, time
from subtheory.lineage import Lineage, record
path, who = sys.argv[1:]
seal = record.sealed
record.sealed = lambda *line: time.sleep(0.002) or seal(*line)  # between reading and writing: without a lock, a race
lineage = Lineage.open(path)
print("ready", flush=True)
sys.stdin.readline()
for i in range(60):
    name = f"{who}{i}"
    lineage.add_model(name, hashlib.sha256(name.encode()).hexdigest())
"""


def test_processes_that_append_at_once_lose_nothing(place):
    place.unlink(missing_ok=True)
    command = [sys.executable, "-c", WRITER, str(place)]
    writers = [subprocess.Popen([*command, who], stdin=-1, stdout=-1, text=True) for who in "ab"]
    assert [writer.stdout.readline() for writer in writers] == ["ready\n"] * 2
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate(timeout=60)
    assert [writer.returncode for writer in writers] == [0, 0]
    lines = place.read_text("utf-8").splitlines()
    assert len(Lineage.open(place)) == len(lines) == 120


def test_a_name_that_another_process_has_taken_meanwhile_is_refused_and_its_lines_are_seen(place):
    place.unlink(missing_ok=True)
    one, two = fill(place, 1), Lineage.open(place)
    two.add_model("new", sha("new"), "m0")
    with pytest.raises(InputError, match=r"name: must be new \(a model has it\), got 'new'"):
        one.add_model("new", sha("other"))
    one.add_data("rows", sha("rows"), generated_by="new")
    assert two.shares_init("rows", "m0").shared and one.head == Lineage.open(place).head


def test_a_file_that_shrank_since_it_was_read_is_told(place):
    place.unlink(missing_ok=True)
    lineage = fill(place)
    place.write_bytes(LINES[0])
    with pytest.raises(InputError, match="file: must only grow"):
        lineage.add_model("more", sha("more"))
    place.unlink()
    with pytest.raises(InputError, match="file: must be a plain file"):
        lineage.shares_init("rows", "m0")


def test_places_that_are_no_files_and_files_too_large_are_refused(place, tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    for strange in (tmp_path, tmp_path / "pipe", tmp_path / "none" / "file", "", "a\0b", 3, os.devnull):
        with pytest.raises(InputError, match=r"^file: "):
            Lineage.open(strange)
    place.unlink(missing_ok=True)
    monkeypatch.setattr(record, "MOST", len(LINES[0]) + 50)
    lineage = fill(place, 1)
    with pytest.raises(InputError, match="file: must have at most"):
        lineage.add_model("more", sha("more"))
    with pytest.raises(InputError, match="file: must have at most"):
        opened(place, LINES)


def test_a_refused_entry_makes_no_file(tmp_path):
    with pytest.raises(InputError):
        Lineage.open(tmp_path / "new.jsonl").add_model("m", "no hash")
    assert not list(tmp_path.iterdir())


def test_a_content_may_be_hashed_from_its_file(tmp_path):
    (tmp_path / "weights").write_bytes(b"12")
    lineage = Lineage.open(tmp_path / "lineage.jsonl")
    lineage.add_model("m", tmp_path / "weights")
    assert sha("12") in (tmp_path / "lineage.jsonl").read_text("utf-8")
    for strange in (tmp_path, tmp_path / "none"):
        with pytest.raises(InputError, match="hash: must be a plain file"):
            lineage.add_model("n", strange)


def test_the_record_needs_no_jax():
    code = "import sys, subtheory; subtheory.Lineage; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert subtheory.Lineage is Lineage
