"""Parts of a page, each of its own: bar, tiles, charts, close codes, tables."""
