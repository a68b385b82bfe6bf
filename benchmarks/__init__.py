"""Side-by-side runs of metier and its peers; see README.md. Run as modules: `python -m benchmarks.ladder`."""
