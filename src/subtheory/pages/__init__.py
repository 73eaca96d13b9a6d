"""Pages of figures and tables: the report of a verification, the paper, and a row forecast."""

__all__ = ["forecast", "paper", "report"]
