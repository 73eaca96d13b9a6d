"""Who was initialised from whom, and trained on whose outputs: an audited record, and what the theory says of it."""

from subtheory.lineage.answer import Answer
from subtheory.lineage.graph import Edge
from subtheory.lineage.laws import VIEWS, Law
from subtheory.lineage.lineage import Lineage

__all__ = ["VIEWS", "Answer", "Edge", "Law", "Lineage", "record"]
