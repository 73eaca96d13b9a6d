"""The theory, claim by claim, in the order of the theory."""

from subtheory.claim import Claim, collect
from subtheory.claims import (
    descent,
    first_order,
    heads,
    inits,
    kinks,
    loss_class,
    mean_field,
    mismatch,
    orbits,
    over_readings,
    restriction,
    sign,
    thresholds,
    zero_branch,
)

CLAIMS: dict[str, Claim] = collect(
    [
        first_order,
        sign,
        descent,
        thresholds,
        zero_branch,
        loss_class,
        kinks,
        inits,
        orbits,
        restriction,
        heads,
        mismatch,
        mean_field,
    ]
)
"""Every claim by name; adding a claim is adding one decorated function to one of these modules."""

OVER_READINGS: dict[str, Claim] = collect([over_readings])
"""Statements that are easily read into the theory, all false: what `subtheory falsify` has to find out."""

__all__ = ["CLAIMS", "OVER_READINGS", "assumptions"]
