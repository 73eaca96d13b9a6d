"""What the first-order theory says of one model: alignment, a step's trait change, layer by layer and word by word."""

from subtheory.language.anatomy import alignment, layers, lesson, mismatch, rows, signs, students

__all__ = ["alignment", "layers", "lesson", "mismatch", "rows", "signs", "students"]
