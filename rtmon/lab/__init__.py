"""Tools to put a server under load and to break its network."""
