"""Decoders of pretrained language models, as functions of their parameters."""

from subtheory.networks.decoders.decoder import Cache, Decoder
from subtheory.networks.decoders.gpt2 import GPT2
from subtheory.networks.decoders.llama import Llama

__all__ = ["GPT2", "Cache", "Decoder", "Llama"]
