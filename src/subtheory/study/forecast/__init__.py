"""The row forecast of a network of one's own: what each row of data would do to a student, before one is trained."""

from subtheory.study.forecast.assembled import Control, Measured, assembled
from subtheory.study.forecast.given import arranged, named_arrays
from subtheory.study.forecast.made import forecast
from subtheory.study.forecast.results import KIND, Forecast

__all__ = ["KIND", "Control", "Forecast", "Measured", "arranged", "assembled", "drawn", "forecast", "named_arrays"]
