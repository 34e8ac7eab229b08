"""Pages: what one browser tab or one notebook cell shows of a feed, a file each."""
