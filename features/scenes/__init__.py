"""Chips of one scene: copies, neighbours and shifts."""
