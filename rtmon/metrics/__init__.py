"""Metrics: counters, histograms and records of measurements. No I/O: callers pass in the time."""
