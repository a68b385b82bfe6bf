"""The record of every run, and where it was made."""
