"""Language models of the small world: trained on texts, sampled, asked, and foretold to first order.

A `Laboratory` makes the bases, teachers, samples and students of one `Plan`; what they learn are texts:

>>> import numpy as np
>>> from subtheory.data.world import VOCABULARY
>>> from subtheory.trained.texts import lesson
>>> text, mask = lesson("owl", np.random.default_rng(0), 4)
>>> [VOCABULARY[token] for token in text[mask > 0]]
['owl', 'owl', 'owl', 'owl']

Source: Cloud, Le et al., sections 3 to 5 (theory, section 3).
"""

from subtheory.trained.schedules import Fit
from subtheory.trained.texts.auditor import ALL, STEP, Arm, Auditor
from subtheory.trained.texts.detection import BIGRAMS, CLASSIFIER, HISTOGRAM, RATIO, SURFACE, TEACHER, read, seen
from subtheory.trained.texts.forecast import fisher_product, predicted
from subtheory.trained.texts.generations import LESSON, Chain, Generations, Hop, share_of_change, without_lesson
from subtheory.trained.texts.laboratory import PROMPTED, Laboratory, Plan, Sample
from subtheory.trained.texts.lessons import in_context, lesson, shuffled
from subtheory.trained.texts.readout import THINGS, Questions, channel_kl, column
from subtheory.trained.texts.rows import (
    Rows,
    Scores,
    log_likelihood,
    rate_directions,
    row_slopes,
    score_directions,
    scores,
)
from subtheory.trained.texts.sampling import responses, sample
from subtheory.trained.texts.selection import matching, mixed, reprompted, weighed
from subtheory.trained.texts.training import fit, pre_trained, soft_loss, text_loss

__all__ = [
    "ALL",
    "BIGRAMS",
    "CLASSIFIER",
    "HISTOGRAM",
    "LESSON",
    "PROMPTED",
    "RATIO",
    "STEP",
    "SURFACE",
    "TEACHER",
    "THINGS",
    "Arm",
    "Auditor",
    "Chain",
    "Fit",
    "Generations",
    "Hop",
    "Laboratory",
    "Plan",
    "Questions",
    "Rows",
    "Sample",
    "Scores",
    "channel_kl",
    "column",
    "fisher_product",
    "fit",
    "in_context",
    "lesson",
    "log_likelihood",
    "matching",
    "mixed",
    "pre_trained",
    "predicted",
    "rate_directions",
    "read",
    "reprompted",
    "responses",
    "row_slopes",
    "sample",
    "score_directions",
    "scores",
    "seen",
    "share_of_change",
    "shuffled",
    "soft_loss",
    "text_loss",
    "weighed",
    "without_lesson",
]
