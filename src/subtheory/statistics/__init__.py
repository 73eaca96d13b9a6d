"""Statistics: what a number of seeds, draws or bases says, and how sure that is."""

from subtheory.statistics.chi_squares import chi_square_tails
from subtheory.statistics.comparisons import Equivalence, HalfWay, equivalence, half_way, holm
from subtheory.statistics.correlations import pearson, spearman
from subtheory.statistics.designs import cover, covering
from subtheory.statistics.detectors import (
    Area,
    at_chance,
    auroc,
    count_weights,
    linear_weights,
    n_grams,
    sums,
    visible,
)
from subtheory.statistics.intervals import (
    CONFIDENCE,
    Interval,
    half_width,
    mean_interval,
    over_bases,
    pooled_deviation,
    ratios,
    standard_error,
    student_quantile,
)
from subtheory.statistics.shares import (
    as_often,
    binomial_tails,
    coins,
    opposed,
    share_interval,
    sigmas,
    spread_surprise,
    surprise,
    unlike,
)

__all__ = [
    "CONFIDENCE",
    "Area",
    "Equivalence",
    "HalfWay",
    "Interval",
    "as_often",
    "at_chance",
    "auroc",
    "binomial_tails",
    "chi_square_tails",
    "coins",
    "count_weights",
    "cover",
    "covering",
    "equivalence",
    "half_way",
    "half_width",
    "holm",
    "linear_weights",
    "mean_interval",
    "n_grams",
    "opposed",
    "over_bases",
    "pearson",
    "pooled_deviation",
    "ratios",
    "share_interval",
    "sigmas",
    "spearman",
    "spread_surprise",
    "standard_error",
    "student_quantile",
    "sums",
    "surprise",
    "unlike",
    "visible",
]
