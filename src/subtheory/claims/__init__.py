"""The theory, claim by claim, in the order of the theory."""

from subtheory.claim import Claim, collect
from subtheory.claims import (
    descent,
    dynamics,
    edges,
    first_order,
    heads,
    inits,
    labels,
    mean_field,
    mismatch,
    orbits,
    over_readings,
    restriction,
    thresholds,
)

CLAIMS: dict[str, Claim] = collect(
    [
        first_order,
        descent,
        thresholds,
        edges,
        inits,
        orbits,
        restriction,
        heads,
        mismatch,
        mean_field,
        *labels.MODULES,
        *dynamics.MODULES,
    ]
)
"""Every claim by name; adding a claim is adding one decorated function to one of these modules."""

OVER_READINGS: dict[str, Claim] = collect([over_readings])
"""Statements that are easily read into the theory, all false: what `subtheory falsify` has to find out."""

__all__ = ["CLAIMS", "OVER_READINGS", "assumptions", "dynamics", "labels", "mean_field", "mismatch"]
