"""The map of the theory, read off the code: claims, proofs, Coq theorems, experiments, and what rests on what."""

from subtheory.atlas.theory import COLUMNS, STATUS, Edge, Map, Node, Row, read

__all__ = ["COLUMNS", "STATUS", "Edge", "Map", "Node", "Row", "drawing", "layout", "read", "scripts", "theory"]
