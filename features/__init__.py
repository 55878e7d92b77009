"""Pixels to vectors: chips, backbones, compiled networks, and how chips lie in a scene."""
