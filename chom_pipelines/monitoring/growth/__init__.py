"""What tables and indexes were like day by day, and what follows from it."""
