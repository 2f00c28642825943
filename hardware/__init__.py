"""Devices behind small ports: real drivers and their simulated twins."""
