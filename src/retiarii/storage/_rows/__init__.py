"""Tables, and the conversion between records and rows, with checksums."""
