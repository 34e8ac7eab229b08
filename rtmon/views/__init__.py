"""Code that all views share: number formats, tiles, charts, tables, alerts."""
