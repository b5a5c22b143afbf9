"""A job in greenlets, until Ctrl-C.

pip install mainspring[gevent] && python examples/gevent_ticks.py
"""

from datetime import datetime

import gevent

from mainspring.schedulers.gevent import GeventScheduler


def tick() -> None:
    gevent.sleep(0.1)  # other greenlets run meanwhile
    print(f"Tick! The time is: {datetime.now():%H:%M:%S}", flush=True)


if __name__ == "__main__":
    scheduler = GeventScheduler()
    scheduler.add_job(tick, "interval", seconds=1)
    greenlet = scheduler.start()
    print("Press Ctrl-C to exit", flush=True)
    try:
        greenlet.join()
    except KeyboardInterrupt:
        scheduler.shutdown()
