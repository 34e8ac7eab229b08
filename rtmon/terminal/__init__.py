"""A feed in a terminal: the screen of ``rtmon top``."""
