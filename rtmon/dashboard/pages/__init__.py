"""Pages: what one browser tab shows of a feed, a file each."""
