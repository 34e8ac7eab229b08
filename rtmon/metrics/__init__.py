"""Metrics: counters, histograms and records of measurements, without I/O and without a clock.

Callers pass in the time.
"""
