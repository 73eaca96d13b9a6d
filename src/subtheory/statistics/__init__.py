"""Statistics: what a number of seeds, draws or bases says, and how sure that is."""
