"""Every claim, on whatever its own domain draws: driven towards the worst margin, it must not be refuted."""

import pytest
from hypothesis import assume, given, settings, target
from hypothesis import strategies as st

from subtheory.claims import CLAIMS
from subtheory.falsification.search import domain, judge, refutes, searchable

SHAPES = ("tanh-3", "relu-3")
"""A smooth network and one with kinks: all claims share their kernels."""


@pytest.mark.parametrize("name", [name for name, claim in CLAIMS.items() if searchable(claim)])
def test_a_claim_is_not_refuted_by_what_is_drawn(name: str) -> None:
    claim, telling = CLAIMS[name], 0

    # A certificate is a search of its own, one for every ε.
    number = 20 if claim.run_tier == "measured" else 2

    @settings(max_examples=number, derandomize=True, deadline=None, database=None)
    @given(st.one_of(domain(claim, shapes=SHAPES)))
    def holds(case: object) -> None:
        nonlocal telling
        evidence = judge(claim, case)
        assume(evidence is not None)
        assert evidence is not None
        if not evidence.vacuous:
            telling += 1
            target(-evidence.margin)
        assert not refutes(claim, case, evidence=evidence), evidence

    holds()
    assert telling >= number // 4
