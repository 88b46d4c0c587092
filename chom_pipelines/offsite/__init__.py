"""The second copy: a repository like the first, elsewhere."""
