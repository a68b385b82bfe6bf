"""Better? This model against another on the same rows."""
