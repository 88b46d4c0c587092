"""What can be restored to, where a replay ends, and the replay."""
