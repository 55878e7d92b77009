"""Make the networks of a bundle smaller, and measure on held-out chips what that costs and what it saves."""
