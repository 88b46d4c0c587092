"""Monitoring: what servers, backups and migrations are like now, for Prometheus, a terminal and the UI."""
