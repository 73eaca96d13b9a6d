"""Teachers and students of a language model: tuned to a preference, imitated through lists of numbers, read out."""

__all__ = ["adapters", "batches", "laboratory", "lists", "readout", "scores", "teachers", "training"]
