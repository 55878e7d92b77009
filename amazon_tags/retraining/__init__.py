"""Scheduled retraining: a job reads labelled chips, checks them, trains a candidate and promotes it if no check fails.

`retrain.retrain` runs a job; README.md of this folder explains jobs, checks and records.
"""
