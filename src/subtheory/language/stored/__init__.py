"""Pretrained models as people have them: what their files say, checked before it is computed."""

__all__ = ["folder", "gguf_file"]
