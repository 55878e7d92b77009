"""Metrics of predictions against the ground truth, cross-validation folds, and drift between two samples."""
