"""From the typed tree to Python source, and from the source to functions."""
