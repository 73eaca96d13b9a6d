"""Numbers on a page, as people read them: 3.2·10⁻⁷, −∞, 95 %."""

import math

RAISED = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def number(x: float, digits: int = 5) -> str:
    """A number for people: 0.99998, 3.2·10⁻⁷, −∞, and a dash for none."""
    if math.isnan(x):
        return "–"
    if math.isinf(x):
        return "∞" if x > 0 else "−∞"
    mantissa, _, exponent = f"{x:.{digits}g}".replace("-", "−").partition("e")
    if not exponent:
        return mantissa
    power = str(int(exponent.replace("−", "-"))).translate(RAISED)
    return f"{mantissa}·10{power}" if mantissa not in ("1", "−1") else f"{mantissa[:-1]}10{power}"


def share(x: float) -> str:
    """A share in per cent, and a dash for none."""
    return f"{100 * x:.3g} %" if math.isfinite(x) else "–"
