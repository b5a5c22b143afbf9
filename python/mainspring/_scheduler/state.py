"""The states of a scheduler, as numbers: stopped, running, paused."""

from __future__ import annotations

#: The state of a scheduler that has not been started, or has been shut down.
STATE_STOPPED = 0
#: The state of a scheduler that has been started and processes jobs.
STATE_RUNNING = 1
#: The state of a scheduler that has been started and does not process jobs.
STATE_PAUSED = 2
