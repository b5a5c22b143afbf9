"""The job: what is to be called, when, and under which rules."""

from mainspring._mainspring import Job

__all__ = ("Job",)
