"""Servers: of ``websockets``, under uvicorn, and the admin listener, with what they share."""
