"""The search for counterexamples, and the files that hold them."""
