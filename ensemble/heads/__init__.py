"""Classical classifiers on vectors; `table.HEADS` lists them by name."""
