"""What the first-order theory says of one model: alignment, a step's trait change, layer by layer and word by word."""

from subtheory.language.anatomy import alignment, layers, lesson, lora, mismatch, rows, signs, students, vectors

__all__ = ["alignment", "layers", "lesson", "lora", "mismatch", "rows", "signs", "students", "vectors"]
