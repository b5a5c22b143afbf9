"""Runs the scheduler, in a process of its own, as the manual of django-apscheduler has it."""

import warnings

from apscheduler.schedulers.blocking import BlockingScheduler
from apscheduler.triggers.cron import CronTrigger
from django.conf import settings
from django.core.management.base import BaseCommand
from django_apscheduler.jobstores import DjangoJobStore, register_events

from jobs.tasks import count, delete_old_job_executions, fail


class Command(BaseCommand):
    help = "Runs APScheduler."

    def handle(self, *args, **options):
        scheduler = BlockingScheduler(timezone=settings.TIME_ZONE)
        scheduler.add_jobstore(DjangoJobStore(), "default")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # it has nothing to do any more
            register_events(scheduler)
        common = {"max_instances": 1, "replace_existing": True, "misfire_grace_time": None}
        scheduler.add_job(count, "interval", seconds=0.2, id="count", args=["ticks"], **common)
        scheduler.add_job(fail, "interval", seconds=0.2, id="fail", **common)
        monday = CronTrigger(day_of_week="mon", hour="00", minute="00")
        scheduler.add_job(delete_old_job_executions, trigger=monday, id="weekly", **common)
        try:
            scheduler.start()
        except KeyboardInterrupt:
            scheduler.shutdown()
            self.stdout.write("shut down")
