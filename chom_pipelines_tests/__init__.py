"""Tests: the package's folders again. Servers are real; see conftest.py."""
