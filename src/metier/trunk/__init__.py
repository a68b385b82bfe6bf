"""The base: find it, run it once over each text, keep what it made."""
