"""Scheduled retraining: a job, its checks, its ledger."""
