"""A model that is measured a vector at a time is what the same network is as a stack, field by field."""

from dataclasses import dataclass, fields

import jax
import numpy as np
import pytest

from subtheory.errors import InputError
from subtheory.init import PATHS
from subtheory.instruments.first_order import FirstOrder, Measurement
from subtheory.kernels.source import Given
from subtheory.language.measuring.pretrained import Pretrained, weights
from subtheory.networks import Decoder
from subtheory.setting.setting import Setting
from subtheory.setting.student import Along, Redrawn
from subtheory.theory.losses import L1, CrossEntropy
from subtheory.theory.rule import Signs
from subtheory.theory.trains import Half
from subtheory.theory.trait import FunctionTrait
from subtheory.theory.views import Accepted

pytest.importorskip("tokenizers")

SOURCE = Pretrained("tiny", "numbers", "owl", tokens=6)
SETTING = Setting(weights("tiny").network, CrossEntropy(), source=SOURCE, examples=1, trait_examples=1)


@dataclass(frozen=True)
class AtPosition:
    """One read position as an example: the tokens of its text, and where it stands."""

    net: Decoder
    name: str = "at-position"

    def init(self, key):
        return self.net.init(key)

    def apply(self, params, x):
        return self.net.apply(params, x[:-1])[x[-1]]


def as_stack(setting: Setting) -> Setting:
    """The same setting with all that it needs handed over, as `subtheory.verify` would."""
    own, read, trait = weights("tiny"), SOURCE.inputs(None, 0, 1), SOURCE.learned(1).trait
    x = np.concatenate([read.x[read.row], read.at[:, None]], axis=1).astype(np.int32)

    def loss(params):
        z = jax.numpy.stack([own.network.apply(params, text) for text in trait.read.x])
        return trait.loss(z[trait.read.row, trait.read.at])

    given = Given(
        own.layout.unflatten(own.theta), x, FunctionTrait(loss), own.network.vocabulary,
        other=lambda key: own.layout.unflatten(SOURCE.another(0)),
    )  # fmt: skip
    return setting.but(network=AtPosition(own.network), source=given, examples=len(x))


CASES = {
    "theorem": SETTING,
    "no-minimum": SETTING.but(loss=L1()),
    "odd": SETTING.but(trains=Half(), init=Redrawn(), rule=Signs(), view=Accepted()),
}

SHAKEN = {f.name for f in fields(Measurement) if f.name.endswith("rounding")} | {"blur"}
"""How large a rounding error may be, which is found out by what rounding does to these very programs."""


@pytest.mark.parametrize("name", CASES)
def test_every_field_is_that_of_the_stack(name):
    setting = CASES[name]
    (mine,), (theirs,) = (
        FirstOrder().records(each, (0,), (each.loss,))[each.loss.name] for each in (setting, as_stack(setting))
    )
    for field in {f.name for f in fields(Measurement)} - {"loss", "distillation"}:
        a, b = getattr(mine, field), getattr(theirs, field)
        close = {"rtol": 0.2} if field in SHAKEN else {"rtol": 1e-9, "atol": float(np.max(mine.trait_rounding))}
        np.testing.assert_allclose(a, b, **close, err_msg=field)


def test_a_path_of_inits_is_refused():
    with pytest.raises(InputError, match="student"):
        FirstOrder().records(SETTING.but(init=Along(PATHS["noise"], 0.1)), (0,), (CrossEntropy(),))


def test_layers_are_all_that_moves():
    some = Pretrained("tiny", "numbers", "owl", tokens=6, layers=(1,))
    f, theta = some.functions(), some.theta
    free = SOURCE.functions().gradient(SOURCE.learned(1).trait, theta)
    held = f.gradient(some.learned(1).trait, theta)
    for name, (place, shape) in f.layout.leaves().items():
        own = held[place].reshape(shape)
        if name.startswith("layers/"):
            np.testing.assert_allclose(own[1], free[place].reshape(shape)[1], rtol=1e-12)
            own[1] = 0.0
        assert not own.any()
    assert np.array_equal(some.another(0) != theta, f.moves)
    with pytest.raises(InputError, match="layers"):
        Pretrained("tiny", "numbers", "owl", layers=(2,)).functions()
