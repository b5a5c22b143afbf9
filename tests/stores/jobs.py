"""What stored jobs call. Plain Python 3.8 without mainspring, since APScheduler's own environment
imports it too, to write rows with and to read them."""

from datetime import datetime, timezone
from functools import partial

#: When stored jobs are looked at.
NOW = datetime(2030, 10, 26, 12, 30, 15, 123456, tzinfo=timezone.utc)

calls = []


def record(*args, **kwargs):
    calls.append((args, kwargs))
    return args


async def record_later(*args):
    calls.append((args, {}))
    return args


#: A callable that only a textual reference leads to.
prefilled = partial(record, "prefilled")


class Counter:
    """Its instances are pickled with the jobs that call their methods."""

    def __init__(self, count):
        self.count = count

    def __eq__(self, other):
        return type(other) is type(self) and other.count == self.count

    def add(self, number, factor=1):
        return record(self.count + number * factor)

    @classmethod
    def of_class(cls, number):
        return record(cls.__name__, number)

    @staticmethod
    def static(number):
        return record("static", number)


def facts_of(job):
    """Return what of a job must be the same in both libraries."""
    fire_times = []
    last = None
    if "jitter" not in job.id:
        # Asked for its second time, an AndTrigger of 3.x may search for ever.
        for _ in range(1 if "combined" in job.id else 5):
            last = job.trigger.get_next_fire_time(last, NOW if last is None else last)
            if last is None:
                break
            fire_times.append(last.timestamp())
    return {
        "func": job.func_ref,
        "args": repr(job.args).split(" object at ")[0],
        "kwargs": repr(job.kwargs),
        "name": job.name,
        "executor": job.executor,
        "misfire_grace_time": job.misfire_grace_time,
        "coalesce": job.coalesce,
        "max_instances": job.max_instances,
        "next_run_time": job.next_run_time and job.next_run_time.isoformat(),
        "trigger": str(job.trigger),
        "jitter": getattr(job.trigger, "jitter", None),
        "fire_times": fire_times,
    }
