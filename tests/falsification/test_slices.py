"""A search in slices: kept when they are done, and put together again as one search."""

import pytest

from subtheory.errors import InputError
from subtheory.falsification import slices
from subtheory.falsification.slices import KIND, Searching, searched
from subtheory.ledger.parts import keeping
from subtheory.ledger.request import Request

TRUE = Searching("raw-step-approaches-the-teacher", 2.0, seed=3)


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(slices, "SLICE", 1.0)


def test_a_search_is_the_sum_of_its_slices_and_is_not_made_again(tmp_path):
    request = Request.of(KIND, TRUE.about)
    with keeping(tmp_path, request) as kept:
        found, stated = searched(TRUE)
    assert stated is None and kept.computed == 2 and found.seconds >= 2.0 and found.cases >= 1
    with keeping(tmp_path, request) as kept:
        again, _ = searched(TRUE, at_once=2)
    assert (kept.computed, kept.taken) == (0, 2) and again.sentence == found.sentence


def test_slices_draw_other_cases():
    seeds = []

    class Stop(Exception):
        pass

    def search(claim, budget, seed, without, progress=None):
        seeds.append(seed)
        if len(seeds) == 3:
            raise Stop
        return slices.Search(claim, without, seconds=budget)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Stop):
        patch.setattr(slices, "search", search)
        searched(Searching(TRUE.claim, 4.0, seed=3))
    assert seeds[0] == 3 and len(set(seeds)) == 3


def test_an_unknown_claim():
    with pytest.raises(InputError, match="claim: unknown, did you mean"):
        searched(Searching("raw-step-approach-the-teacher", 1.0))


def test_what_a_slice_finds_ends_the_search(tmp_path):
    what = Searching("dichotomy-for-every-convex-loss", 20.0)
    with keeping(tmp_path, Request.of(KIND, what.about)) as kept:
        found, stated = searched(what)
    assert stated["claim"] == what.claim and found.evidence.margin < 0 and kept.computed < 20
    assert found.sentence.startswith("counterexample found after")
