"""Figures of the applications: `python -m bench.apps.NAME` for each."""
