"""How Hypothesis draws examples here: a busy machine fails no test, and what the examples of a test share is told."""

from hypothesis import HealthCheck, settings

PROFILE = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

SHARING = settings(PROFILE, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
"""For examples that share the server, or the directory, of their test."""
