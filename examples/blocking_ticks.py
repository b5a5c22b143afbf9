"""A program that does nothing but run jobs, until Ctrl-C.

python examples/blocking_ticks.py
"""

from datetime import datetime

from mainspring.schedulers.blocking import BlockingScheduler

scheduler = BlockingScheduler()


@scheduler.scheduled_job("interval", seconds=1)
def tick() -> None:
    print(f"Tick! The time is: {datetime.now():%H:%M:%S}", flush=True)


if __name__ == "__main__":
    print("Press Ctrl-C to exit", flush=True)
    try:
        scheduler.start()
    except KeyboardInterrupt:
        pass
