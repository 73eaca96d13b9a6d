"""Trust in the verdicts themselves: errors planted into the core, false alarms, calibration, arithmetic."""

from subtheory.audit.planting import planted
from subtheory.audit.plants import PLANTS
from subtheory.audit.results import Audit, Check
from subtheory.audit.running import CHECKS, audit

__all__ = [
    "CHECKS",
    "PLANTS",
    "Audit",
    "Check",
    "arithmetic",
    "audit",
    "calibration",
    "planted",
    "plants",
    "results",
    "running",
    "suite",
]
