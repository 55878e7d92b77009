"""Sets of chips: rendered samples, copies and neighbours, pairs of JPG and TIF."""
