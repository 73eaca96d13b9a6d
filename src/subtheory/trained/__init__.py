"""Models that are trained for many steps, on images and on texts: here what both share."""

from subtheory.trained.parameters import from_arrays, leading, pick, single, stacked, to_arrays
from subtheory.trained.schedules import Fit, Schedule

__all__ = ["Fit", "Schedule", "from_arrays", "images", "leading", "pick", "single", "stacked", "texts", "to_arrays"]
