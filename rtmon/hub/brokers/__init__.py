"""Brokers: they carry publications and presence within one process, or between nodes by Redis."""
