"""Mosquitto as this project runs it: certificates, who may say what, its configuration, a process for development."""
