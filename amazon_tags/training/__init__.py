"""Labelled chips to a model bundle."""
