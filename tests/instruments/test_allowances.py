"""Allowances for rounding: no law fixes their size, so a table does, and whoever changes one of them renews it.

    python tests/instruments/test_allowances.py

writes `tests/golden/allowances.json` anew, from the directory `tests`. What the other tests ask of an allowance is that
it is more than what rounding does; here a factor that is lost from one is seen.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shapes import SMOOTH

from subtheory.constructed.labels import classifier
from subtheory.init import PATHS
from subtheory.instruments.dynamics.anchored import AnchoredTraining, Decays
from subtheory.instruments.dynamics.chains import Chains
from subtheory.instruments.dynamics.confusion import Confusions
from subtheory.instruments.dynamics.lazy import LazyRange
from subtheory.instruments.dynamics.pooled import Pools
from subtheory.instruments.dynamics.preconditioned import InMetric
from subtheory.instruments.dynamics.projected import Projected
from subtheory.instruments.dynamics.trajectory import Trajectory
from subtheory.instruments.dynamics.transported import Transported
from subtheory.instruments.first_order import FirstOrder
from subtheory.instruments.inputs.ghost import Ghosts
from subtheory.instruments.instrument import Instrument
from subtheory.instruments.labelled import Directed, Labelled
from subtheory.instruments.rows import RowKernel, RowSums
from subtheory.instruments.sampled import Sampled
from subtheory.instruments.twins import Twins
from subtheory.instruments.two_inits import TwoInits
from subtheory.setting.setting import Setting
from subtheory.setting.student import Along, Redrawn
from subtheory.setting.teachers import Ruled
from subtheory.theory.losses import L1, CrossEntropy, Quartic, SquaredError
from subtheory.theory.rule import Anchored, DrawnMetric, HeavyBall, Signs
from subtheory.theory.views import Within

GOLDEN = Path(__file__).parents[1] / "golden" / "allowances.json"
LOSS, SQUARED = CrossEntropy(), SquaredError()
BASE = Setting(SMOOTH, LOSS, examples=3, trait_examples=4, eps=(1e-2, 1e-3))
LEAST = BASE.but(loss=SQUARED)
METRIC = BASE.but(teacher=Ruled(DrawnMetric(2)), rule=DrawnMetric(2))

CASES: dict[str, tuple[Instrument, Setting]] = {
    "first order": (FirstOrder(), BASE),
    "first order, squared error": (FirstOrder(), LEAST),
    "first order, quartic": (FirstOrder(), BASE.but(loss=Quartic())),
    "first order, l1": (FirstOrder(), BASE.but(loss=L1())),
    "first order, signs": (FirstOrder(), LEAST.but(rule=Signs())),
    "two inits": (TwoInits(), BASE.but(init=Redrawn())),
    "two inits, squared error": (TwoInits(), LEAST.but(init=Redrawn())),
    "twins": (Twins(), BASE.but(init=Along(PATHS["permutation"]))),
    "labelled": (Labelled(), BASE.but(view=Within((0, 2)))),
    "directed": (Directed(), BASE),
    "sums of rows": (RowSums(), BASE),
    "kernel of rows": (RowKernel(), BASE),
    "ghosts": (Ghosts(), BASE),
    "sampled": (Sampled(4), BASE),
    "anchored": (AnchoredTraining(3), BASE.but(rule=Anchored(0.5))),
    "decays": (Decays((0.5, 2.0)), BASE),
    "chains": (Chains(2, 2), LEAST.but(rule=HeavyBall(0.5))),
    "confusions": (Confusions(), classifier().but(examples=3, eps=(1e-2, 1e-3))),
    "lazy range": (LazyRange(3), BASE),
    "pools": (Pools(), classifier().but(examples=3, eps=(1e-2, 1e-3))),
    "in a metric": (InMetric(), METRIC),
    "projected": (Projected(), LEAST.but(outputs="aux", examples=2)),
    "trajectory": (Trajectory(3, batch=2), BASE.but(rule=HeavyBall(0.5), alpha=3.0)),
    "transported": (Transported(3, 0.5), BASE),
}
ROUGH, ROUGHER = 0.05, 0.25
"""How far other instructions of a CPU change an allowance: what 16 roundoffs do is rounded itself."""

ALLOWANCES = ("rounding", "blur", "unclear")
DERIVED = ("alignment_rounding", "trait_rounding")


def allowances(record: Any) -> dict[str, list[float]]:
    """Every field that ends like an allowance, and properties that are one."""
    names = [name for name in vars(record) if name.endswith(ALLOWANCES)] + [n for n in DERIVED if hasattr(record, n)]
    return {name: np.ravel(getattr(record, name)).tolist() for name in dict.fromkeys(names)}


def found(name: str) -> dict[str, list[float]]:
    instrument, setting = CASES[name]
    return allowances(instrument.records(setting, (3,), (setting.loss,))[setting.loss.name][0])


@pytest.mark.parametrize("name", CASES)
def test_an_allowance_is_what_it_was(name: str) -> None:
    golden = json.loads(GOLDEN.read_text("utf-8"))[name]
    here = found(name)
    assert set(here) == set(golden) != set()
    for field, values in golden.items():
        rtol = ROUGHER if field == "trait_rounding" else ROUGH
        np.testing.assert_allclose(here[field], values, rtol=rtol, atol=0, err_msg=field)


if __name__ == "__main__":
    text = {name: {field: [float(f"{x:.7g}") for x in each] for field, each in found(name).items()} for name in CASES}
    sys.stdout.write(f"{len(text)} written\n")
    GOLDEN.write_text(json.dumps(text, indent=1) + "\n", "utf-8")
