"""A shop to try everything on: sample data, a live workload, and what proves that it came back."""
