"""What is asked of a server, each by a reader that says what it lacks."""
