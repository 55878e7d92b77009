"""Chips to tags: prediction, checkpoints, submissions, monitoring and drift."""
