"""Python source of values, names and `forward` methods."""
