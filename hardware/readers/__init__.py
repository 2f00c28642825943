"""Card readers: PC/SC, PN532 and the simulated one."""
