"""The job: what is to be called, when, and under which rules."""

from datetime import timezone

from mainspring._mainspring import Job

__all__ = ("UTC", "Job")

UTC = timezone.utc
