"""Decoders of pretrained language models, as functions of their parameters."""

from subtheory.networks.decoders.llama import Cache, Llama

__all__ = ["Cache", "Llama"]
