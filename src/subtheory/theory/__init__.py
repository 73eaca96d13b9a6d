"""The mathematics of subliminal learning: pure functions of arrays, matrix-free, one noun a module."""
