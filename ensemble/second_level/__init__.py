"""The second level: several members' scores to one score matrix."""
