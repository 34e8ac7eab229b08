"""A feed in a terminal: what ``rtmon top`` shows."""
