"""The theory's claims on a pretrained model: as a setting's source, measured a vector at a time, and verified."""

from subtheory.language.measuring.asked import Asked, verify

__all__ = ["Asked", "asked", "pretrained", "record", "verify"]
