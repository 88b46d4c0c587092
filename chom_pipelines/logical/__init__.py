"""The logical engine: rows as text and definitions as SQL, read in one snapshot over parallel connections."""
