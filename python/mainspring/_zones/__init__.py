"""Zones of the local machine: which one it is set to, and Windows' names of zones."""
