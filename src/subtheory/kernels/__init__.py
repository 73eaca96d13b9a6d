"""A network as compiled functions of flat parameters, and what is run through them in stacks."""

__all__ = ["compiled", "devices", "draws", "functions", "local", "match", "optimizing", "source", "stack", "whitened"]
