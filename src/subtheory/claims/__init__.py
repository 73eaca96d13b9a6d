"""The theory, claim by claim, in the order of the theory."""

from subtheory.claim import Claim, collect
from subtheory.claims import descent, first_order, kinks, loss_class, sign, zero_branch

CLAIMS: dict[str, Claim] = collect([first_order, sign, descent, zero_branch, loss_class, kinks])
"""Every claim by name; adding a claim is adding one decorated function to one of these modules."""
