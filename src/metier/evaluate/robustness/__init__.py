"""Robust? Worse inputs, and behaviours a person has written down."""
