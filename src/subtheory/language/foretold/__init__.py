"""The row forecast on checkpoints: what a data set would do to a language model, known before it is trained on it."""

from subtheory.language.foretold.made import DRAWS, NORMS, forecast, measured

__all__ = [
    "DRAWS",
    "NORMS",
    "forecast",
    "lines",
    "measured",
    "pairs",
    "planned",
    "readout",
    "scoring",
    "threshold",
    "weights",
]
