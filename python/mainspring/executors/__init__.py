"""Executors: what runs the jobs of a scheduler."""
