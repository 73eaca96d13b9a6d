"""Pages of many figures and tables: the report of a verification, and the paper."""

__all__ = ["paper", "report"]
