"""Benchmarks against the named peers, side by side in one run: `make bench-dump`, `make bench-restore`."""
