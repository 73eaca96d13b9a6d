"""What is asked of a pretrained model: which claims, on which settings, and that it can fail."""

import numpy as np
import pytest

from subtheory.claims import CLAIMS
from subtheory.errors import InputError
from subtheory.language import verify
from subtheory.language.measuring import record
from subtheory.language.measuring.asked import TRAINED, Asked, grid, jobs, plan_of, replay
from subtheory.language.measuring.pretrained import Pretrained

pytest.importorskip("tokenizers")

ASKED = Asked("tiny", tokens=6, texts=1)
SMALL = {"tokens": 6, "texts": 1, "channels": "numbers", "traits": "owl"}
QUICK = ("alignment-by-one-jvp", "cosine-limit")


def test_every_claim_on_the_first_order_of_a_given_network_is_asked():
    todo = jobs(ASKED, grid(ASKED))
    assert [job.claim.name for job in todo if job.control is None] == [
        "alignment-by-one-jvp", "alignment-is-ggn-form", "alignment-to-second-order", "cosine-limit",
        "distance-has-a-critical-step", "alignment-is-positive", "trait-loss-falls",
    ]  # fmt: skip
    turns = ["numbers, owl", "code, oak", "reasoning, blue"]
    assert all([s.source.name for s in job.settings] == turns for job in todo if job.control is None)
    few = {"shared-init": turns}
    for job in todo:
        own = {s.source.name for s in job.settings if isinstance(s.source, Pretrained)}
        if job.control is not None and own:
            assert own == set(few.get(job.control.assumption.name, ["numbers, owl"]))
        if job.control is not None and job.control.assumption.name == "gradient-teacher":
            assert (job.settings, job.bar) == ((), TRAINED)
    full = Asked("tiny", tokens=6, texts=1, full=True)
    every = jobs(full, grid(full))
    assert "matched-restriction-aligns" in {job.claim.name for job in every} and len(every[0].settings) == 9


def test_each_run_is_a_part_of_its_own_and_what_a_teacher_teaches_is_measured_once():
    plan = plan_of(ASKED)
    own = [tasks for tasks in plan.parts.values() if isinstance(tasks[0][0][1].source, Pretrained)]
    assert all(len(tasks) == 1 for tasks in own)
    sources = [tasks[0][0][1].source for tasks in own]
    assert len(sources) == 3 + 4 + 2 and sources == sorted(sources, key=sources.index)


def test_claims_hold_and_assumptions_break():
    found = verify("tiny", claims=QUICK, **SMALL)
    assert found.ok and found.decided and [claim.name for claim in found] == list(QUICK)
    assert found.broke == found.tried == 5
    assert found.provenance["model"] == "tiny" and f"2 of {len(CLAIMS)} claims" in found.messages[-1]


def test_a_wrong_form_fails(monkeypatch):
    measured = record.measured
    monkeypatch.setattr(record, "measured", lambda *a: _with(measured(*a), "ggn_norm", 1.01))
    assert not verify("tiny", claims="cosine-limit", **SMALL).ok


def _with(m, field, factor):
    object.__setattr__(m, field, factor * getattr(m, field))
    return m


def test_an_assumption_can_be_broken_alone():
    found = verify("tiny", claims="cosine-limit", without="shared-init", **SMALL)
    assert str(found["cosine-limit"].verdict) == "fails"


def test_a_seed_draws_other_texts():
    source = Pretrained("tiny", "numbers", "owl", tokens=6)
    assert not np.array_equal(source.inputs(None, 0, 1).x, source.inputs(None, 1, 1).x)
    assert source.inputs(None, 0, 2).x.shape == (2, 5)


BAD = {
    "model": {"model": "nowhere"},
    "channel": {"channels": ("nubmers",)},
    "trait": {"traits": ("owlet",)},
    "claim": {"claims": ("kink-reverses-alignment",)},
    "loss": {"losses": ()},
    "layers": {"layers": (5,)},
    "tokens": {"tokens": 1},
    "without": {"without": "gravity"},
}


@pytest.mark.parametrize("field", BAD)
def test_what_is_wrong_is_named_before_anything_is_computed(field):
    with pytest.raises(InputError) as error:
        plan_of(Asked(**{"model": "tiny", "texts": 1, **BAD[field]}))
    assert str(error.value).startswith(f"{field}:")


def test_a_part_of_other_weights_is_not_answered():
    with pytest.raises(InputError, match="other weights"):
        replay(ASKED.about | {"sha256": "0"})
