"""Dagster: one folder a domain, with the usual file names. Only these files and definitions.py import dagster."""
