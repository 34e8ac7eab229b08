"""Faster paths for connections of ``websockets``, on the versions they were tested with."""
