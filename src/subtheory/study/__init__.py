"""Experiments: their plans, options, parts and findings, and the ablation of an init."""

from subtheory.study.finding import Finding
from subtheory.study.options import Seeds

__all__ = [
    "Finding",
    "Seeds",
    "ablation",
    "curves",
    "experiment",
    "finding",
    "forecast",
    "judgement",
    "ladder",
    "loading",
    "options",
    "own",
    "redraw",
    "saved",
    "walks",
]
