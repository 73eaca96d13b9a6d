"""One cell of a verification as JSON, to be compared between processes: `python cell.py devices|host`."""

import json
import sys

import numpy as np
from shapes import SMOOTH

import subtheory as st
from subtheory.cli import environment
from subtheory.kernels.compiled import ROWS, Kernels
from subtheory.kernels.functions import shapes_of
from subtheory.theory.losses import KL

COUNTS = (1, 7, 4 * ROWS + 2)
"""Rows: fewer than devices, not the same on each, and more than one call of four devices."""


def cell():
    """Kernels on rows of several numbers, and the verdict on a claim, that holds and that fails, over seven seeds."""
    f = Kernels.of(SMOOTH, shapes_of(SMOOTH), np.zeros(SMOOTH.task.shape))
    found, rng = {}, np.random.default_rng(0)
    for n in COUNTS:
        theta, delta = rng.standard_normal((2, n, f.layout.size))
        x = rng.standard_normal((3, *SMOOTH.task.shape))
        z, u, v = f.taylor(theta, delta, x)
        r = f.terms(KL(), z, z + u, np.ones(z.shape[-1]), u, v)
        parts = {"z": f.values(theta, x), "u": u, "v": v, "pulls": f.pulls(theta, r.r, x), **r._asdict()}
        found |= {f"{name} of {n}": value.tolist() for name, value in parts.items()}
    setting = st.Setting(SMOOTH, examples=3, trait_examples=3)
    for without in (None, "shared-init"):
        verdict = st.check("alignment-is-ggn-form", setting, 7, without).verdict
        found[f"verdict without {without}"] = str(verdict)
    return found


def devices():
    """The cell on one device, and shared out among all that there are."""
    found = {}
    for number in (1, "all"):
        st.configure(cache=False, progress=False, devices=number)
        found[str(number)] = cell()
    return found


def host():
    """The cell where the environment says of other hosts; only the first has something to say."""
    environment.prepare(cache=False, hosts=True)
    found = cell()
    return found if environment.speaks() else None


if __name__ == "__main__":
    st.configure(cache=False, progress=False)
    json.dump({"devices": devices, "host": host}[sys.argv[1]](), sys.stdout)
