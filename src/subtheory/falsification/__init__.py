"""The search for counterexamples, and the files that hold them."""

__all__ = ["counterexample", "search", "slices"]
