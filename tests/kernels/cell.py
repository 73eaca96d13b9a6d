"""One cell of a verification, to be compared between devices and between processes: `python cell.py MODE [NETWORK]`.

`devices` and `host` print JSON; `compare` says how far one device and all that there are lie apart.
"""

import json
import sys

import numpy as np
from shapes import SHAPES

import subtheory as st
from subtheory.cli import environment
from subtheory.kernels.compiled import ROWS, Kernels
from subtheory.kernels.functions import shapes_of
from subtheory.networks import NETWORKS
from subtheory.theory.losses import KL

COUNTS = (1, 7, 4 * ROWS + 2)
"""Rows: fewer than devices, not the same on each, and more than one call of four devices."""


def cell(network):
    """Kernels on rows of several numbers, and the verdict on a claim, that holds and that fails, over seven seeds."""
    setting = st.Setting(network, examples=3, trait_examples=3)
    x = setting.distillation(0).x
    f = Kernels.of(network, shapes_of(network), x[0])
    found, rng = {}, np.random.default_rng(0)
    for n in COUNTS:
        theta, delta = rng.standard_normal((2, n, f.layout.size))
        z, u, v = f.taylor(theta, delta, x)
        r = f.terms(KL(), z, z + u, np.ones(z.shape[-1]), u, v)
        parts = {"z": f.values(theta, x), "u": u, "v": v, "pulls": f.pulls(theta, r.r, x), **r._asdict()}
        found |= {f"{name} of {n}": value.tolist() for name, value in parts.items()}
    for without in (None, "shared-init"):
        verdict = st.check("alignment-is-ggn-form", setting, 7, without).verdict
        found[f"verdict without {without}"] = str(verdict)
    return found


def apart(one, other):
    """How far two cells differ, relative to the largest entry of an array; infinitely in a verdict."""
    assert one.keys() == other.keys()
    numbers = {name for name in one if " of " in name}
    if any(one[name] != other[name] for name in one.keys() - numbers):
        return np.inf
    return max(np.abs(np.subtract(one[name], other[name])).max() / np.abs(one[name]).max() for name in numbers)


def devices(network):
    """The cell on one device, and shared out among all that there are."""
    found = {}
    for number in (1, "all"):
        st.configure(cache=False, progress=False, devices=number)
        found[str(number)] = cell(network)
    return found


def host(network):
    """The cell where the environment says of other hosts; only the first has something to say."""
    environment.prepare(cache=False, hosts=True)
    found = cell(network)
    return found if environment.speaks() else None


if __name__ == "__main__":
    st.configure(cache=False, progress=False)
    mode, network = sys.argv[1], (NETWORKS | SHAPES)[(*sys.argv[2:], "smooth")[0]]
    if mode == "compare":
        found = devices(network)
        print(f"{network.name}: {apart(found['1'], found['all']):.2g} of the largest entry apart")
    else:
        json.dump({"devices": devices, "host": host}[mode](network), sys.stdout)
