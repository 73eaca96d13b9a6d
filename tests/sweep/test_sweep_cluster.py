"""Sweeps on the workers of a Dask scheduler: of this machine, and jobs of a Slurm that is a script of four lines.

Each is a process of its own, whose end is the end of its threads and workers.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"

SBATCH = """#!/bin/sh
job=$(mktemp "$SLURM_FOLDER/job-XXXXXX") && cp "$1" "$job"
setsid bash "$job" >"$job.log" 2>&1 &
echo "Submitted batch job $!"
"""

SCANCEL = """#!/bin/sh
for job in "$@"; do kill -9 -- "-$job"; done
"""

JOBS = """
import sys
from pathlib import Path

sys.path.insert(0, sys.argv[2])
from checks import toy
from dask_jobqueue import SLURMCluster

if __name__ == "__main__":
    home, asked = Path(sys.argv[1]), toy.planned(10)
    (home / "toy.toml").write_text(toy.text(10))
    options = {"cores": 1, "processes": 1, "memory": "1GB", "interface": "lo", "log_directory": str(home)}
    options |= {"worker_extra_args": ["--preload", toy.__file__], "scheduler_options": {"dashboard_address": None}}
    with SLURMCluster(python=sys.executable, **options) as cluster:
        cluster.scale(jobs=1)
        address = cluster.scheduler_address
        code = toy.ended(toy.started(home / "toy.toml", home / "sweep", home / "log", "--dask", address))
        sys.exit(code or toy.faults(home / "sweep", asked) or 0)
"""


def ran(*words: str, **more: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, timeout=120, env={**os.environ, **more}
    )


def test_a_worker_and_the_client_are_killed_and_nothing_is_lost():
    done = ran(str(SCRIPTS / "reliability.py"), "R2", "--quick")
    assert done.returncode == 0 and "2 tried, 0 missed" in done.stdout, done.stdout + done.stderr


def test_jobs_of_slurm(tmp_path):
    """The recipe of docs/sweeps.md, on a Slurm that begins a job at once, here."""
    pytest.importorskip("dask_jobqueue")
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL), ("jobs.py", JOBS)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = ran(
        str(tmp_path / "jobs.py"), str(tmp_path), str(SCRIPTS), PATH=path, SLURM_FOLDER=str(tmp_path), SUBTHEORY_TOY="1"
    )
    logs = [log.read_text() for log in tmp_path.glob("job-*.log")]
    assert done.returncode == 0 and len(logs) == 1, f"{done.stderr}{logs}"
