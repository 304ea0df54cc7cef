"""What several formats are made of: records of JSON, offsets, tags, blanks between tokens."""
