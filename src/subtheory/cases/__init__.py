"""Single distillations to search: what a case is, strategies that draw them, and how one is made small."""

__all__ = ["case", "simplification", "strategies"]
