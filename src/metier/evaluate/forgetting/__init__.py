"""General? What the base knew before and after, and how far to turn back."""
