"""Benchmarks: the same workloads for mainspring, APScheduler 3.x and plain asyncio."""
