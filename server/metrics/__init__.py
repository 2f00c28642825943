"""Figures for Prometheus: what was done, and how things are when somebody looks."""
