"""Runs that the engine does not make itself: one submission of a job, wherever an executor runs it."""
