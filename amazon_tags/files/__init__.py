"""Atomic files and folders, checks before any work, hashes and locks."""
