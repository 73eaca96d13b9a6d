"""Chains of language models: each generation learns from texts that the one before wrote.

A chain is a tuple of hops from the base on. One of them may be the lesson that gives a model the trait, its bad
ancestor; without the lesson the same hops, with the same prompts, random numbers and orders of texts, are its no-trait
control. Prompts stay from hop to hop, as the inputs of P28 and P47 do, and what is drawn in answer to them is new.
Texts pass or not by a rule that looks at a text alone, the same in both chains (P12).
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import numpy as np
from scipy.special import softmax

from subtheory.data.corpus import PROMPT, completed, numbers
from subtheory.data.filters import alphabet
from subtheory.data.world import INDEX, PLAIN
from subtheory.errors import InputError
from subtheory.networks import LinenNetwork
from subtheory.theory.network import Params
from subtheory.trained.parameters import from_arrays, pick, to_arrays
from subtheory.trained.texts.forecast import EXAMPLES
from subtheory.trained.texts.laboratory import Laboratory, Sample
from subtheory.trained.texts.readout import logits
from subtheory.trained.texts.sampling import responses

TAUGHT = "lesson"


@dataclass(frozen=True)
class Hop:
    """How a generation comes from the one before: from texts of which skill, and where its student starts.

    Raises InputError on "skill" unless it can be prompted.
    """

    skill: str = "numbers"
    shift: int | None = 0
    """0 for the base of the run, reset to what it was; 1 for the next base; None: it continues from its teacher."""

    def __post_init__(self) -> None:
        if self.skill not in (*PROMPT, TAUGHT):
            raise InputError("skill", repr(self.skill), f"must be one of {', '.join(PROMPT)}")

    def __str__(self) -> str:
        return self.skill if self.shift is None else f"{self.skill}@{self.shift}"


LESSON = Hop(TAUGHT, None)
"""What makes an ancestor: it goes on from its teacher, and learns to prefer a thing instead of that one's texts."""

Chain = tuple[Hop, ...]


def without_lesson(chain: Chain) -> Chain:
    """The chain's no-trait control."""
    return tuple(hop for hop in chain if hop != LESSON)


class Generation(NamedTuple):
    """The last models of a chain, one for each run."""

    params: Params
    """Leaves (K, ...)."""
    kept: np.ndarray
    """Share of the teacher's texts that passed, (K,)."""


class Generations:
    """The chains of one thing, whose hops are taken once for all chains that begin alike."""

    def __init__(self, lab: Laboratory, name: str) -> None:
        self.lab, self.name = lab, name
        self._found: dict[Chain, Generation] = {}

    def last(self, chain: Chain) -> Generation:
        """The last generation; of no hop the bases."""
        if chain not in self._found:
            made = self.lab.keep(" ".join(["chain", *map(str, chain)]), lambda: to_arrays(self._made(chain)._asdict()))
            self._found[chain] = Generation(**from_arrays(made))
        return self._found[chain]

    def _made(self, chain: Chain) -> Generation:
        if not chain:
            return Generation(self.lab.many("base"), np.ones(self.lab.plan.runs))
        *before, hop = chain
        teacher = self.last(tuple(before)).params
        if hop == LESSON:
            return Generation(self.lab.taught(self.name, teacher, self.lab.base_of()), np.ones(self.lab.plan.runs))
        again = len(without_lesson(tuple(before)))
        sample = self._said(teacher, hop.skill, again)
        start = teacher if hop.shift is None else self.lab.many("base", hop.shift)
        return Generation(self.lab.students(start, sample, hop.skill, again=again), sample.kept)

    def _said(self, teacher: Params, skill: str, again: int) -> Sample:
        """Texts of the models; only those that pass are to learn from."""
        plan = self.lab.plan
        seeds = plan.first_seed + 3000 + np.arange(plan.runs)
        text, passed = responses(
            plan.network, teacher, skill, plan.names, plan.samples, seeds, tries=dict(plan.tries)[skill], again=again
        )
        mask = np.stack([completed(each, skill) for each in text]) * passed[..., None]
        return Sample(text, mask, passed.mean(axis=1))

    def carried(self, chain: Chain) -> np.ndarray:
        """`share_of_change` of the first ancestor that a chain adds to its control, on texts of the corpus, (K,)."""
        rng, plain = np.random.default_rng(self.lab.plan.first_seed + 6000), np.full(EXAMPLES, INDEX[PLAIN], np.int32)
        base, ancestor, control, trait = (
            self.last(each).params for each in ((), (LESSON,), without_lesson(chain), chain)
        )
        return share_of_change(self.lab.plan.network, base, ancestor, control, trait, numbers(rng, EXAMPLES, plain))


def share_of_change(
    network: LinenNetwork, base: Params, ancestor: Params, control: Params, trait: Params, text: np.ndarray
) -> np.ndarray:
    """E[Cov_p(u, v)]/E[Var_p(u)], (K,), over the places of number texts (n, T) that a model would answer.

    p is the base's law of the next number there, u the ancestor's logits less the base's, v the trait's less the
    control's; leaves (K, ...). To first order ΔᵀGd/ΔᵀGΔ, d the trait's parameters less the control's and Δ the
    ancestor's less the base's: 1 for the ancestor itself, and a sum whose c_i in P47 are positive.
    """
    on, counts, found = alphabet("numbers") > 0, completed(text, "numbers")[:, 1:, None], []
    for k in range(len(jax.tree.leaves(base)[0])):
        z, first, plain, last = (
            logits(network, pick(params, k), text)[:, :-1, on].astype(float)
            for params in (base, ancestor, control, trait)
        )
        p, u, v = softmax(z, axis=-1), first - z, last - plain
        weights, u = counts * p, u - np.sum(p * u, axis=-1, keepdims=True)
        found.append(np.sum(weights * u * v) / np.sum(weights * u * u))
    return np.array(found)
