"""Rigorous statements about one distillation: ball arithmetic (Arb) along the teacher's segment, written to a file."""

__all__ = ["balls", "cases", "curves", "jets", "making", "problem", "search", "statement", "thresholds"]
