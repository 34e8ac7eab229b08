"""Metrics: counters, histograms and records. Pure: standard library only, time is passed in."""
