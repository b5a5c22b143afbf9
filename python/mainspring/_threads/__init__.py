"""Worker threads, and child processes: what stands there for the event loop, and calls a job's function."""
