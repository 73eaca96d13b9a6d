"""The table of what the tests cost: every file's tests, seconds and compiled programs, from all workers."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from costs import Cost, table

CONFTEST = "from costs import Costs\n\ndef pytest_configure(config):\n    config.pluginmanager.register(Costs())\n"

COMPILES = """
import jax

def test_two_programs():
    assert jax.jit(lambda x: 2 * x)(1.0) == 2
    assert jax.jit(lambda x: 3 * x)(1.0) == 3
"""

SLEEPS = """
import time
import pytest

@pytest.mark.parametrize("seconds", [0.2, 0.3])
def test_waits(seconds):
    time.sleep(seconds)
"""


@pytest.mark.parametrize("workers", [(), ("-n", "1", "--dist", "loadfile")], ids=["one process", "a worker"])
def test_every_file_is_counted(tmp_path, workers):
    for name, text in [("conftest.py", CONFTEST), ("test_compiles.py", COMPILES), ("test_sleeps.py", SLEEPS)]:
        (tmp_path / name).write_text(text)
    tests = {"PYTHONPATH": str(Path(__file__).parent), "PYTEST_ADDOPTS": ""}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *workers]
    done = subprocess.run(command, cwd=tmp_path, env=os.environ | tests, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.split() for line in done.stdout.splitlines() if re.match(r"test_|all ", line)]
    assert {row[0]: int(row[1]) for row in rows[:2]} == {"test_compiles.py": 1, "test_sleeps.py": 2}
    seconds, programs = ({row[0]: float(row[i]) for row in rows[:2]} for i in (2, 3))
    assert programs["test_compiles.py"] >= 2 and programs["test_sleeps.py"] == 0
    assert seconds["test_sleeps.py"] >= 0.5
    assert rows[2][:4] == ["all", "2", "files", "3"] and int(rows[2][5]) == programs["test_compiles.py"]


def test_the_table_has_the_longest_files_and_the_total_of_all():
    files = {f"test_{i}.py": Cost(i, 10.0 * i, 100 * i) for i in (2, 3, 1)}
    heading, *rows = [line.split() for line in table(files, shown=2)]
    assert heading == ["file", "tests", "seconds", "programs", "compiled"]
    assert rows == [
        ["test_3.py", "3", "30.0", "300"],
        ["test_2.py", "2", "20.0", "200"],
        ["all", "3", "files", "6", "60.0", "600"],
    ]
