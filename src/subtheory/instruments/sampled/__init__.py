"""Students, and readers, of so many labels that are drawn from what a view shows."""

from subtheory.instruments.sampled.groups import Grouped, Groups
from subtheory.instruments.sampled.signs import Cells, Sampled, Steps
from subtheory.instruments.sampled.taxes import Taxed, Taxes

__all__ = ["Cells", "Grouped", "Groups", "Sampled", "Steps", "Taxed", "Taxes"]
