"""Runs that look at a network on other inputs than the student's: behind another prompt, or where the trait is read."""

__all__ = ["ghost", "prompted"]
