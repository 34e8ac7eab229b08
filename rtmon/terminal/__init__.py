"""The terminal user interface ``rtmon top``: draws a feed on the screen, and handles keys."""
