"""The process: its threads, what a fork of it leaves behind, and what its exit waits for."""
