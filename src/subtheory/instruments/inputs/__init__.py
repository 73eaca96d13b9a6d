"""Runs on other inputs than the channel's: behind a prompt, where the trait is read, near ties of labels."""

__all__ = ["ghost", "prompted", "ties"]
