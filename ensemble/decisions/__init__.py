"""Scores to tags: thresholds, expected F-beta, calibration, and the choice among them."""
