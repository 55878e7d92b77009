"""Turn pixels into vectors: read chips, run backbones on them, and find how chips lie in a scene.

It knows pixels, bands and backbones, but no tags; `features/README.md` is its guide.
"""
