"""Seeds shared out among devices and hosts: the numbers of one device, to rounding, and the same verdicts."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cell import apart

import subtheory as st
from subtheory.kernels import devices
from subtheory.kernels.devices import Spread

CELL = Path(__file__).with_name("cell.py")
HERE = {"PYTHONPATH": os.pathsep.join([str(CELL.parents[1]), *sys.path])}
FOUR = {"XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=4"}


def started(mode, **environment):
    """A process that computes the cell."""
    return subprocess.Popen(
        [sys.executable, str(CELL), mode], env=os.environ | HERE | environment, stdout=subprocess.PIPE, text=True
    )


@pytest.fixture(scope="module")
def said():
    """Standard output of a process with four devices, and of two hosts that JAX finds by what Slurm says of them."""
    slurm = {"SLURM_JOB_ID": str(random.randrange(2**12)), "SLURM_STEP_NODELIST": "127.0.0.1", "SLURM_NTASKS": "2",
             "SLURM_STEP_NUM_NODES": "1"}  # fmt: skip
    running = [started("devices", **FOUR)]
    running += [started("host", **slurm, SLURM_PROCID=i, SLURM_LOCALID=i) for i in "01"]
    try:
        found = [process.communicate(timeout=300)[0] for process in running]
    finally:
        for process in running:
            process.kill()
    assert [process.returncode for process in running] == [0, 0, 0]
    return [json.loads(each) for each in found]


def test_four_devices_compute_what_one_does(said):
    one, four = said[0]["1"], said[0]["all"]
    assert apart(one, four) <= 1e-12
    assert [one[f"verdict without {each}"] for each in (None, "shared-init")] == ["holds", "fails"]


def test_two_hosts_compute_what_one_does_and_the_first_alone_speaks(said):
    alone, first, second = said
    assert second is None
    assert apart(alone["1"], first) <= 1e-12


def test_a_difference_is_seen(said):
    one = said[0]["1"]
    assert apart(one, one | {"u of 7": np.multiply(one["u of 7"], 1 + 1e-11)}) > 1e-12
    assert apart(one, one | {"verdict without None": "fails"}) > 1e-12


@pytest.mark.parametrize("rows", [1, 3, 4, 7, 20])
def test_rows_are_shared_out_evenly_and_all_of_them(rows):
    spread = Spread(rows, 5, 4)
    assert spread.counts.sum() == rows and spread.counts.max() == -(-rows // 4) and spread.counts.min() >= 0


def test_devices_are_at_most_those_that_there_are():
    try:
        for number in (None, 1, "all"):
            st.configure(cache=False, progress=False, devices=number)
            assert devices.count() == 1
        st.configure(cache=False, progress=False, devices=2)
        with pytest.raises(st.InputError, match=r"^devices: must be at most the 1 that JAX shows, .*, got 2$"):
            st.alignment(st.Setting(st.Linear()).distillation(0))
        for wrong in (0, "two", 1.5):
            with pytest.raises(st.InputError, match=r"^devices: must be "):
                st.configure(devices=wrong)
    finally:
        st.configure(cache=False, progress=False)
