"""A person's rows taken out again: found everywhere, purged, kept out, with a certificate of what was done."""
