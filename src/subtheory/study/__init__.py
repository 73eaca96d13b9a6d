"""Experiments: their options, parts and findings, and the ablation of an init."""
