"""Read chips: find their files, decode them, and give them the bands and the size that a network expects."""
