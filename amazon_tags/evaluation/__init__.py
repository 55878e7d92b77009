"""Measure tags against the ground truth, and tune how scores become tags."""
