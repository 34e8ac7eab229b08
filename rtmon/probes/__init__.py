"""Probes: one module or folder for each library whose connections are counted."""
