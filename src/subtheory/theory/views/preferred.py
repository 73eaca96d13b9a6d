"""θ0's own labels, picked by what a teacher says of them beyond θ0: winners of pairs, and the top of all (P37)."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

from subtheory import arguments
from subtheory.errors import InputError
from subtheory.theory.losses import OFF, log_softmax, namespace
from subtheory.theory.views.view import Compared


class Picked(Compared):
    """Labels that θ0 draws and that pass at rates of their log-ratio ℓ = log p_ε − log p0: r ∝ p0 · rate(ℓ)."""

    @abstractmethod
    def rates(self, ratio: Any, law: Any) -> Any:
        """Rates, (..., V), of log-ratios (..., V) of outputs whose law p0, of a shape that broadcasts, is `law`."""

    def beside(self, logits: Any, w: Any, base: Any) -> Any:
        xp = namespace(logits, w)
        log_p, log_p0 = log_softmax(logits, w), log_softmax(base, w)
        said = log_p0 > OFF / 2
        rate = self.rates(xp.where(said, log_p - log_p0, 0.0), xp.exp(log_p0))
        shown = said & (rate > 0)
        return xp.where(shown, log_p0 + xp.log(xp.where(shown, rate, 1.0)), OFF)


@dataclass(frozen=True)
class Preferred(Picked):
    """The preferred one i of a pair (i, j) of θ0's own labels: i with probability σ(ℓ_i − ℓ_j), r = 2p0 E_j σ(ℓ − ℓ_j).

    Cross-entropy on it pulls at θ0 as preference optimisation on the pair does, beside θ0 and with β = 1: both by
    E (σ(ℓ_i − ℓ_j) − ½)(∇log p_i − ∇log p_j). `hard` preferences are 1 for the larger ℓ, and ½ where both are the same.
    Raises InputError on "hard" for what is no truth value.
    """

    hard: bool = False
    name = "preferred"
    kept = 0.5
    """How much of the teacher's scores soft labels keep: σ′(0), for each of a pair."""

    def __post_init__(self) -> None:
        if not isinstance(self.hard, bool):
            raise InputError("hard", arguments.shown(self.hard), "must be True or False")

    def rates(self, ratio: Any, law: Any) -> Any:
        xp = namespace(ratio, law)
        ahead = ratio[..., :, None] - ratio[..., None, :]
        lead = xp.sign(ahead) if self.hard else xp.tanh(ahead / 2)  # 2σ − 1
        return 1 + (law[..., None, :] * lead).sum(axis=-1)


@dataclass(frozen=True)
class Best(Picked):
    """The share of θ0's own labels of which the teacher says most beyond θ0: r = p0/share on the top quantile of ℓ.

    Of labels on its edge as many pass as there is room for. Raises InputError on "share" outside 0 < share ≤ 1.
    """

    share: float = 0.25
    name = "best"

    def __post_init__(self) -> None:
        object.__setattr__(self, "share", arguments.positive("share", self.share))
        if self.share > 1:
            raise InputError("share", self.share, "must be at most 1")

    def rates(self, ratio: Any, law: Any) -> Any:
        xp = namespace(ratio, law)
        ahead, weight = ratio[..., None, :] - ratio[..., :, None], law[..., None, :]
        better, alike = (xp.where(which, weight, 0.0).sum(axis=-1) for which in (ahead > 0, ahead == 0))
        return xp.clip((self.share - better) / xp.where(alike > 0, alike, 1.0), 0.0, 1.0)
