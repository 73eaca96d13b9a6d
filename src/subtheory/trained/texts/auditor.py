"""An auditor of what a teacher wrote, with its base's answers beside: filters, weights, mixtures and edits of both.

Each gives an `Arm`: the rows of the teacher and of its base on which students train. What is done to one is done to the
other, by a rule that looks at a text alone, unless it says otherwise.
"""

from collections.abc import Callable
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np
from scipy.special import ndtr  # scipy.stats takes most of a second to load

from subtheory.data.corpus import PROMPT
from subtheory.data.filters import alphabet, banned
from subtheory.data.world import LARGEST, VOCABULARY
from subtheory.statistics import n_grams, sums, visible
from subtheory.trained.texts.detection import read, seen
from subtheory.trained.texts.laboratory import Laboratory, Sample
from subtheory.trained.texts.lessons import shuffled
from subtheory.trained.texts.rows import Rows, log_likelihood, score_directions, scores
from subtheory.trained.texts.selection import matching, reprompted, weighed

SKILL = "numbers"
CUTS = (90, 80, 70)
"""Numbers from which on none is let through, by ever stricter filters."""
HALF_WAY = 50
ALL, STEP = "all texts", "first step along Δ"
"""What is not filtered, and what stands among detectors without being one."""


class Arm(NamedTuple):
    """Rows of the teacher and of its base on which students train."""

    trait: Rows
    control: Rows
    prompts: int | None = None
    """How many come into the epochs, if not all."""


class Auditor:
    """Samples of numbers of a teacher and of its base for every run; only prompts that both answered count."""

    def __init__(self, lab: Laboratory, name: str) -> None:
        self.lab, self.name = lab, name
        trait, control = lab.pair(name, SKILL)
        both = np.logical_and(trait.mask.any(axis=2), control.mask.any(axis=2))
        trait, control = weighed(trait, both), weighed(control, both)
        self._directions = score_directions(lab, name, SKILL, control)
        self.all = Arm(self._known(trait), self._known(control))
        self.order = np.stack([self._rng(k).permutation(lab.plan.samples) for k in range(lab.plan.runs)])
        """An order of the prompts by chance, (K, n)."""

    def _rng(self, *which: int) -> np.random.Generator:
        return np.random.default_rng((self.lab.plan.first_seed + 5000, *which))

    def _known(self, sample: Sample) -> Rows:
        return Rows(sample, scores(self.lab, self.name, SKILL, sample, self._directions))

    def weighed(self, trait: np.ndarray, control: np.ndarray) -> Arm:
        """All texts under weights, (K, n) each."""
        return Arm(self.all.trait.weighed(trait), self.all.control.weighed(control))

    @cached_property
    def filters(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Which texts of the teacher and of its base each filter lets pass, (K, n) each: one accept set for both.

        By the tokens of a text, by the whole of it, by its likelihood under the base, by another base's models, by
        chance. Cuts of scores are quantiles of the base's texts.
        """
        sides, first = tuple(self.all[:2]), PROMPT[SKILL]

        def rule(accepts: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
            each = [(s.sample.text, (s.sample.mask > 0) & (s.sample.text <= LARGEST)) for s in sides]
            return accepts(*each[0]), accepts(*each[1])

        def below(score: Callable[[Rows], np.ndarray], share: float) -> tuple[np.ndarray, np.ndarray]:
            trait, control = score(sides[0]), score(sides[1])
            cut = np.quantile(control, share, axis=1, keepdims=True)
            return trait <= cut, control <= cut

        def surprise(rows: Rows) -> np.ndarray:
            return rows.scores.surprise

        even = rule(lambda text, on: (text * on).sum(axis=2) % 2 == 0)
        late = rule(lambda text, on: on[..., first] & (text[..., first] >= HALF_WAY))
        n = self.order.shape[1]
        return {
            "random 1/2": (self.order < n // 2, self.order < n // 2),
            "random 1/4": (self.order < n // 4, self.order < n // 4),
            f"no code of {self.name}": rule(
                lambda text, on: np.stack([~banned(each, (self.name,), SKILL) for each in text])
            ),
            **{f"no {cut} or more": rule(partial(_below, cut)) for cut in CUTS},
            "even sum": even,
            f"first from {HALF_WAY}": late,
            "even sum and first": (even[0] & late[0], even[1] & late[1]),
            "likely 1/2": below(surprise, 0.5),
            "likely 1/4": below(surprise, 0.25),
            "other models' 1/2": below(lambda rows: self._elsewhere(rows.sample), 0.5),
        }

    def _elsewhere(self, sample: Sample) -> np.ndarray:
        """log p_T − log p0 of the next base and the teacher of the same name that grew from it, (K, n)."""
        network, given = self.lab.plan.network, (sample.text, sample.mask, alphabet(SKILL))
        after, start = (log_likelihood(network, self.lab.many(each, 1), *given) for each in (self.name, "base"))
        return after - start

    def thinned(self, power: float) -> Arm:
        """The teacher's texts weighed by (p0/p_T)^power, the base's as they are: P12's slope is (1 − power)q."""
        return self.weighed(np.exp(-power * self.all.trait.scores.ratio), np.ones(self.order.shape))

    def matched(self) -> Arm:
        """The teacher's texts weighed until every token is as frequent as in the base's."""
        counts = [self._counts(rows) for rows in self.all[:2]]
        return self.weighed(
            np.stack([agreeing(*each) for each in zip(*counts, strict=True)]), np.ones(self.order.shape)
        )

    def _counts(self, rows: Rows) -> list[np.ndarray]:
        return [n_grams(*each, len(VOCABULARY)).toarray() for each in zip(*rows.sample[:2], strict=True)]

    def first(self, count: int) -> Arm:
        """The first prompts alone."""
        chosen = np.broadcast_to(np.arange(self.order.shape[1]) < count, self.order.shape)
        return self.weighed(chosen, chosen)._replace(prompts=count)

    def diluted(self, share: float, count: int) -> Arm:
        """The teacher's answers to a share of the first prompts, chosen by chance, and the base's to the rest."""
        (trait, control), n = self.first(count)[:2], self.order.shape[1]
        rank = np.argsort(np.argsort(np.where(np.arange(n) < count, self.order, n), axis=1), axis=1)
        return Arm(trait.where(rank < round(share * count), control), control, count)

    def line(self, share: float, count: int) -> tuple[np.ndarray, np.ndarray]:
        """What a random share of the teacher's answers adds to the alignment, share·D, and its deviation, (K,) each.

        m of n differences d_i, drawn without replacement, have Σ d/n of mean (m/n)·d̄ and variance (m/n)(1 − m/n)s²/n.
        """
        trait, control = self.first(count)[:2]
        n, d = (control.weights > 0).sum(axis=1), trait.scores.update - control.scores.update
        mean = control.mean(d)
        square = control.mean((d - mean[:, None]) ** 2) / (n - 1)
        return share * mean, np.sqrt(share * (1 - share) * square)

    def relabelled(self, chosen: np.ndarray) -> Arm:
        """The base's answers in place of the teacher's to the chosen prompts (K, n)."""
        return Arm(self.all.control.where(chosen, self.all.trait), self.all.control)

    def reprompted(self, chosen: np.ndarray) -> Arm:
        """Chosen texts of either side with each other's prompts: inputs are edited, labels are not."""
        return self._changed(lambda sample: reprompted(sample, chosen, SKILL, self._rng(0, 1)))

    def shuffled(self, across: bool) -> Arm:
        """Numbers that have changed places within each text, or across all of a run's."""

        def change(sample: Sample) -> Sample:
            each = enumerate(zip(*sample[:2], strict=True))
            return sample._replace(text=np.stack([shuffled(self._rng(k, 2), *rows, across) for k, rows in each]))

        return self._changed(change)

    def _changed(self, change: Callable[[Sample], Sample]) -> Arm:
        return Arm(self._known(change(self.all.trait.sample)), self._known(change(self.all.control.sample)))

    def ranked(self, score: str, share: float, top: bool) -> np.ndarray:
        """Where the teacher's text is among so large a share with the largest, or smallest, score, (K, n) bool."""
        values = self.order if score == "random" else getattr(self.all.trait.scores, score)
        rank = np.argsort(np.argsort(-values if top else values, axis=1), axis=1)
        return rank < share * values.shape[1]

    def detected(self, sizes: tuple[int, ...], sets: int, match: bool) -> list[dict[str, Any]]:
        """Rows of `detection.seen` for each run, of all texts, behind each filter, and if wanted with equal counts."""
        rows = []
        for k, base in enumerate(self.lab.base_of()):
            sides = [
                (*(each[k] for each in s.sample[:2]), s.scores.ratio[k], s.scores.surprise[k]) for s in self.all[:2]
            ]
            half, n = read(*zip(*sides, strict=True)), self.order.shape[1] // 2
            live = [side.weights[k, n:] for side in self.all[:2]]
            variants = {ALL: live}
            for title, accepted in self.filters.items():
                variants[title] = [own * each[k, n:] for own, each in zip(live, accepted, strict=True)]
            if match:
                variants["counts matched"] = [agreeing(*half.counts), live[1]]
            for title, (trait, control) in variants.items():
                if trait.any() and control.any():
                    found = seen(half, (trait, control), sizes, sets, k)
                    rows += [{"base_of": int(base), "variant": title, **row} for row in found]
        return rows

    def countable(self) -> list[dict[str, Any]]:
        """`visible` of the counts of all tokens, what their best linear score sees, by run, of all texts and by filter.

        NaN for no more texts than tokens.
        """
        sides, rows = [self._counts(side) for side in self.all[:2]], []
        for k, base in enumerate(self.lab.base_of()):
            passed = {ALL: (self.order[k] >= 0,) * 2}
            passed |= {title: (trait[k], control[k]) for title, (trait, control) in self.filters.items()}
            for title, on in passed.items():
                trait, control = (
                    c[each & c.any(axis=1)] for c, each in zip([side[k] for side in sides], on, strict=True)
                )
                enough = min(len(trait), len(control)) > len(VOCABULARY)
                rows.append(
                    {"base_of": int(base), "variant": title, "visible": visible(trait, control) if enough else np.nan}
                )
        return rows

    def stepped(self, sizes: tuple[int, ...], sets: int) -> list[dict[str, Any]]:
        """How often the slopes along Δ of so many of the teacher's texts add up to more than of the base's on average.

        Rows as of a detector, `area` being that share, and Φ(√(2N·KL)) what is predicted, with KL the mean log-ratio of
        the teacher's texts (P9).
        """
        trait, control = self.all[:2]
        kl, mean, rows = trait.mean(trait.scores.ratio), control.mean(control.scores.update), []
        for k, base in enumerate(self.lab.base_of()):
            rng, slopes = self._rng(k, 3), trait.scores.update[k] - mean[k]
            for size in sizes:
                share = float(np.mean(sums(slopes, size, sets, rng, trait.weights[k]) > 0))
                expected = float(ndtr(np.sqrt(2 * size * max(kl[k], 0.0))))
                rows.append({"base_of": int(base), "variant": ALL, "detector": STEP, "texts": size, "area": share,
                             "error": float(np.sqrt(share * (1 - share) / sets)), "visible": float(kl[k]),
                             "predicted": expected})  # fmt: skip
        return rows


def _below(cut: int, text: np.ndarray, on: np.ndarray) -> np.ndarray:
    return np.logical_not(np.any(on & (text >= cut), axis=2))


def agreeing(trait: np.ndarray, control: np.ndarray) -> np.ndarray:
    """`matching` of counts (n, V) to the control's mean; a text without a token counts nothing on either side."""
    live = [counts.any(axis=1) for counts in (trait, control)]
    weights = np.zeros(len(trait))
    weights[live[0]] = matching(trait[live[0]], control[live[1]].mean(axis=0))
    return weights
