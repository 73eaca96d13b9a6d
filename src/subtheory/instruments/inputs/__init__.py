"""Runs on other inputs than the channel's: behind a prompt, where the trait is read, near ties of labels."""

<<<<<<< HEAD
__all__ = ["ghost", "prompted"]
=======
__all__ = ["prompted", "ties"]
>>>>>>> eeeec82 (Greedy flips add up by the density of ties, with its constant, and need fewer rows than sampled labels by a known ratio)
