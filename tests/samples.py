"""A verification made by hand: every verdict, a control that does not break, numbers that are not finite."""

from subtheory.claim import Verdict
from subtheory.verification.results import ClaimResult, ControlResult, Verification


def control(without="shared-init", as_declared=True, fraction=1.0, runs=16):
    verdict = Verdict.FAILS if fraction > 0 else Verdict.HOLDS
    return ControlResult(without, verdict, fraction, "fails in at least 95 % of runs", as_declared, runs)


def untried(without="same-architecture"):
    nan = float("nan")
    why = "cannot be broken on these settings"
    return ControlResult(without, Verdict.VACUOUS, nan, "fails in at least 90 % of runs", False, 0, False, why)


def claim(name="alignment-is-ggn-form", verdict=Verdict.HOLDS, controls=None, **changes):
    fields = {
        "statement": "For a small teacher update the alignment is ε times the Gauss-Newton form ΔᵀGΔ.",
        "formula": "D(ε) = ε ΔᵀGΔ + O(ε²)",
        "source": "arXiv 2507.14805, App. C, Lemma 1",
        "tier": "measured",
        "run_tier": "measured",
        "proof": "conjecture",
        "settings": 12,
        "seeds": 8,
        "runs": 96,
        "failed": 0,
        "vacuous_fraction": 0.0,
        "reason": "",
        "measured": 0.9999876543,
        "predicted": 1.0,
        "margin": 0.8125,
        "worst": "vit / kl / photographs / all / noise / run 3",
    } | changes
    return ClaimResult(
        name=name, verdict=verdict, controls=(control(),) if controls is None else tuple(controls), **fields
    )


PROVENANCE = {
    "subtheory": "0.1.0",
    "jax": "0.10.1",
    "environment": {"NPROC": "1"},
    "seeds": [0, 1],
    "commit": "0123456789ab+",
    "command": "subtheory verify --quick",
}


def holding():
    """Everything is as the theory says."""
    return Verification((claim(), claim("alignment-by-one-jvp", controls=[control("gradient-student")])), PROVENANCE)


def mixed():
    """One claim of every verdict, and a control that did nothing."""
    nan = float("nan")
    return Verification(
        (
            claim(controls=[control(), untried()]),
            claim(
                "second-order-term", Verdict.FAILS, [control(), control("same-parameters", False, 0.25)],
                failed=3, margin=-float("inf"), measured=2.5,
            ),
            claim(
                "zero-branch", Verdict.VACUOUS, [], vacuous_fraction=1.0, reason="both sides are at rounding level",
                measured=nan, predicted=nan, margin=nan, worst="",
            ),
            claim("sign-rule", Verdict.UNDECIDED, tier="statistical", run_tier="statistical"),
        ),
        PROVENANCE,
    )  # fmt: skip
