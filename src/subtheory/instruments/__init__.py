"""Instruments: what is recorded of a distillation, for claims to judge."""

__all__ = [
    "certified",
    "detected",
    "dynamics",
    "first_order",
    "heads",
    "inputs",
    "instrument",
    "labelled",
    "mean_field",
    "rows",
    "sampled",
    "sign_law",
    "twins",
    "two_inits",
]
