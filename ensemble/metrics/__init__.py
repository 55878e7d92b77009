"""Scores of predictions against the truth, folds, and drift between two samples."""
