"""Proofs that a backup is what it should be: read to the last byte, restored and compared."""
