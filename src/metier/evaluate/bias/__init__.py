"""Fair? Groups and identities treated alike, beside the generic base."""
