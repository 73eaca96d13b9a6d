"""When a forecast is a warning: the predicted change of the trait loss, or how likely its sign is, above a bound."""

from dataclasses import dataclass, replace
from math import isfinite

from subtheory.errors import InputError
from subtheory.study.forecast import Forecast

SIGN = "sign"


@dataclass(frozen=True)
class Threshold:
    """|change of the trait loss beyond the control| > bound, or P(D > 0) > bound where `of` is the sign."""

    bound: float
    of: str = ""

    def value(self, found: Forecast) -> float:
        """What is compared with the bound."""
        return float(found.totals["sign_probability"] if self.of else abs(found.totals["added_readout"]))

    def above(self, found: Forecast) -> bool:
        """Whether it is a warning; what is no number is one."""
        return not self.value(found) <= self.bound

    def told(self, found: Forecast) -> Forecast:
        """The same forecast, with what became of it among its messages."""
        what = "P(D > 0)" if self.of else "|change of the trait loss|"
        side = "ABOVE" if self.above(found) else "not above"
        line = f"threshold: {what} = {self.value(found):.4g} is {side} {self.bound:g}"
        return replace(found, messages=(line, *found.messages))


def read(text: str) -> Threshold:
    """Of "X" or "sign=X". Raises InputError on "threshold" for anything else, and for a sign's outside 0 ... 1.

    >>> read("sign=0.9")
    Threshold(bound=0.9, of='sign')
    """
    of, _, number = text.rpartition("=")
    try:
        bound = float(number)
    except ValueError:
        bound = float("nan")
    if of not in ("", SIGN) or not isfinite(bound) or bound < 0 or (of and bound > 1):
        raise InputError("threshold", repr(text), "must be a number, at least 0, or sign=P with P in 0 ... 1")
    return Threshold(bound, of)
