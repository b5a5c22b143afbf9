"""By these assignments mypy holds the package to Protocols: of what the binding calls, and of clocks.

``test_contract.py`` reads this file, and nothing imports it.
"""

import mainspring._logs
import mainspring._loops.coroutines
import mainspring._loops.current
import mainspring._pickles
import mainspring._process.threads
import mainspring._runs.submitting
import mainspring._trigger_class
import mainspring.events
import mainspring.executors.base
import mainspring.jobstores.base
import mainspring.schedulers.base
import mainspring.triggers.base
import mainspring.triggers.calendarinterval
import mainspring.triggers.cron
import mainspring.triggers.cron.fields
import mainspring.triggers.date
import mainspring.triggers.interval
import mainspring.util
from mainspring import _contract
from mainspring._clock import SystemClock
from mainspring._scheduler.driven import DrivenScheduler
from mainspring._scheduler.hosted import HostLoop
from mainspring.schedulers.base import BaseScheduler
from mainspring.testing import ManualClock


def scheduler(it: BaseScheduler) -> _contract.BoundScheduler:
    return it


def driven_scheduler(it: DrivenScheduler) -> _contract.BoundDrivenScheduler:
    return it


def clocks(its: SystemClock | ManualClock) -> _contract.Clock:
    return its


def host_loop(it: HostLoop) -> _contract.BoundHostLoop:
    return it


# Two of the modules do not have in `__all__` what is read of them, so mypy does not see it; the test does.
logs: _contract.Logs = mainspring._logs
loops_coroutines: _contract.Coroutines = mainspring._loops.coroutines
loops_current: _contract.CurrentLoop = mainspring._loops.current
pickles: _contract.Pickles = mainspring._pickles
process_threads: _contract.Threads = mainspring._process.threads
runs_submitting: _contract.Submitting = mainspring._runs.submitting
trigger_class: _contract.TriggerClasses = mainspring._trigger_class
events: _contract.Events = mainspring.events
executors_base: _contract.TimeNames = mainspring.executors.base  # type: ignore[assignment]
executors_base_tells: _contract.RunTells = mainspring.executors.base.Tells
jobstores_base: _contract.StoreErrors = mainspring.jobstores.base
schedulers_base: _contract.TimeNames = mainspring.schedulers.base  # type: ignore[assignment]
schedulers_base_tells: _contract.SchedulerTells = mainspring.schedulers.base.Tells
triggers_base: _contract.BaseOfTriggers = mainspring.triggers.base
triggers_calendarinterval: _contract.TimeNamesOfDays = mainspring.triggers.calendarinterval
triggers_cron: _contract.TimeNamesOfTrigger = mainspring.triggers.cron
triggers_cron_fields: _contract.CronFields = mainspring.triggers.cron.fields  # type: ignore[assignment]
triggers_date: _contract.TimeNamesOfTrigger = mainspring.triggers.date
triggers_interval: _contract.TimeNamesOfTrigger = mainspring.triggers.interval
util: _contract.Util = mainspring.util
