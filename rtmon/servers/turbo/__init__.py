"""Faster code for server connections of ``websockets``, for the versions it was tested with."""
