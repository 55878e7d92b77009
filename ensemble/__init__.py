"""Vectors and scores to tags: metrics, heads, networks, decisions and second levels."""
