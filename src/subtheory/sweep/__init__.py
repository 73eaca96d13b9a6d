"""Sweeps: a plan in a file, a record for each of its cells, computed by whoever is there, and one table of them all."""

__all__ = ["cells", "collected", "plan", "running"]
