"""Pages of figures and tables: the report of a verification, the paper, a row forecast; and formulas in them."""

__all__ = ["forecast", "map", "mathml", "paper", "report"]
