"""Serving: experts behind HTTP, many on one trunk."""
