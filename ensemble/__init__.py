"""Vectors and pixels to tags: heads, networks, folds, blends and decisions, all on plain arrays."""
