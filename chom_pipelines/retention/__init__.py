"""What may be deleted, and why not."""
