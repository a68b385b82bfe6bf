"""Good for everyone? Every part of the rows against the rest."""
