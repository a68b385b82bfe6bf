"""Calibrated? Whether stated confidence is true, and whether the expert knows its limits."""
