"""Chips: where they are, how they are decoded, and what their bands are."""
