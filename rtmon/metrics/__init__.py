"""Metrics: counters, histograms and records of measurements. Pure: callers pass in the time."""
