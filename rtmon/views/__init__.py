"""What a feed says, as people read it: numbers, tiles, series, and how fresh they are."""
