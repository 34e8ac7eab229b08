"""Shared parts of all views: number formats, tiles, charts, tables, freshness."""
