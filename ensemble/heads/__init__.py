"""Classical classifiers on vectors."""
