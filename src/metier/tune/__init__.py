"""The ladder and the one training loop."""
