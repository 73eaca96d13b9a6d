"""Long computations as parts that are kept when they are done: resumed after a kill, shared out, never done twice."""

__all__ = ["engines", "parts", "request", "store", "work", "workers"]
