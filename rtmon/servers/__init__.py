"""Servers: on ``websockets``, under uvicorn, the admin listener, and their common parts."""
