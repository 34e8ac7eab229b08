"""Servers: ``rtmon.serve`` on ``websockets``, a hub under uvicorn, and the admin listener."""
