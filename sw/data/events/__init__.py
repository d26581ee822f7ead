"""Event recordings: files of several formats as one structured array, and such arrays as counts."""
