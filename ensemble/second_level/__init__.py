"""From several members' scores to one score."""
