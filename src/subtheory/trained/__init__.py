"""Models that are trained for many steps: on images, and on texts."""
