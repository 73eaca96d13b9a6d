"""Pages of figures and tables, and formulas in them: a report, the explorer, the paper, a forecast, the map."""

__all__ = ["explorer", "forecast", "map", "mathml", "paper", "report"]
