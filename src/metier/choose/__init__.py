"""Which base to start from: candidates within the user's limits, ranked by short real probes on the user's own rows."""
