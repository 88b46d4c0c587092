"""`chom`: one module per command group, thin."""
