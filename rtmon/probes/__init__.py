"""Probes: one module or folder for each WebSocket library whose connections rtmon measures."""
