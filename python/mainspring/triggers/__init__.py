"""Triggers: what decides when a job runs."""
