"""Copies of everything that a server cannot be made again without, and a server made from one."""
