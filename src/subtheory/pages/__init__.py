"""Pages of figures and tables: the report of a verification, the explorer, the paper, a forecast; and formulas in them."""

__all__ = ["explorer", "forecast", "map", "mathml", "paper", "report"]
