"""How a machine becomes a terminal, and how it stops being one."""
