"""Instruments: what is recorded of a distillation, for claims to judge."""
