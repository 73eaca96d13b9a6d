"""A teacher that is prompted and not trained: θ0 itself, behind another token than the student sees."""

from dataclasses import dataclass
from typing import Any

from subtheory.instruments.labelled import Labelled
from subtheory.kernels.stack import Stack, each_eps, on_channel
from subtheory.theory.losses import namespace


@dataclass(frozen=True)
class Prompted(Labelled):
    """Records `Labelling`s of a teacher without Δ: y(ε) = f_θ0(x) + ε(f_θ0(x′) − f_θ0(x)), x′ begins with `token`.

    At ε = 1 that is the prompted model. The student sees x; alignments are along the setting's own Δ. Gap g9,
    prediction P38.
    """

    token: int = 0

    def taught(self, s: Stack) -> Any:
        xp = namespace(s.x)
        behind = xp.concatenate([xp.full_like(s.x[..., :1], self.token), s.x[..., 1:]], axis=-1)
        base = on_channel(s).taylor.z0
        own = base.ndim - s.weights.ndim + 1
        shift = each_eps(s, s.functions.values(s.theta0, behind) - base, own)
        return each_eps(s, base, own) + s.eps.reshape(*s.eps.shape, *(1,) * own) * shift
