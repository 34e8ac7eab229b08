"""The terminal view of a feed: the screen of ``rtmon top``."""
