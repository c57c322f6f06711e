"""Data sets on disk -> assets: one file per layout."""
