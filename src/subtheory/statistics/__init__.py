"""Statistics: what a number of seeds, draws or bases says, and how sure that is."""

from subtheory.statistics.comparisons import Equivalence, HalfWay, equivalence, half_way
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
from subtheory.statistics.shares import as_often, binomial_tails, coins, share_interval, surprise

__all__ = [
    "CONFIDENCE",
    "Equivalence",
    "HalfWay",
    "Interval",
    "as_often",
    "binomial_tails",
    "coins",
    "equivalence",
    "half_way",
    "half_width",
    "mean_interval",
    "over_bases",
    "pooled_deviation",
    "ratios",
    "share_interval",
    "standard_error",
    "student_quantile",
    "surprise",
]
