"""Pixels to vectors: chips, their views, backbones and compiled networks."""
