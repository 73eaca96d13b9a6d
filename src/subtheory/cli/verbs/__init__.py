"""The verbs of the command line: the `main` of a module runs one, or a few, and returns the exit code."""

__all__ = ["ablate", "about", "certify", "experiments", "falsify", "prove", "theory", "verify"]
