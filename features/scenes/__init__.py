"""Compare chips with each other: find copies, neighbours in a scene, and shifts between two pictures."""
