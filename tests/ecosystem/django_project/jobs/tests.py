"""The job store, and the pages of the admin site, in the project's own tests."""

import threading

from apscheduler.events import EVENT_JOB_EXECUTED
from apscheduler.executors.debug import DebugExecutor
from apscheduler.jobstores.base import ConflictingIdError, JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler
from django.contrib.auth.models import User
from django.test import TransactionTestCase
from django.urls import reverse
from django_apscheduler.jobstores import DjangoJobStore, DjangoMemoryJobStore
from django_apscheduler.models import DjangoJob, DjangoJobExecution

from jobs.tasks import count, fail

FAR = {"trigger": "date", "run_date": "2100-01-01 12:00:00"}


class StoreTests(TransactionTestCase):
    def setUp(self):
        self.scheduler = BackgroundScheduler(timezone="Europe/Berlin")
        self.scheduler.add_jobstore(DjangoJobStore(), "default")
        self.scheduler.start()

    def tearDown(self):
        self.scheduler.shutdown()

    def test_a_job_is_stored_and_changed(self):
        self.scheduler.add_job(count, id="a", args=["x"], name="counts", **FAR)
        stored = DjangoJob.objects.get(id="a")
        self.assertEqual(stored.next_run_time.isoformat(), "2100-01-01T11:00:00+00:00")
        job = self.scheduler.get_job("a")
        self.assertEqual((job.func, job.args, job.name), (count, ("x",), "counts"))
        self.assertEqual(str(job.trigger), "date[2100-01-01 12:00:00 CET]")
        job.modify(name="counts on", max_instances=3)
        self.assertEqual(self.scheduler.get_job("a").max_instances, 3)
        job.pause()
        self.assertIsNone(DjangoJob.objects.get(id="a").next_run_time)
        job.resume()
        job.reschedule("cron", hour=4)
        self.assertEqual(str(self.scheduler.get_job("a").trigger), "cron[hour='4']")
        job.remove()
        self.assertFalse(DjangoJob.objects.exists())

    def test_errors(self):
        self.scheduler.add_job(count, id="a", args=["x"], **FAR)
        with self.assertRaises(ConflictingIdError):
            self.scheduler.add_job(count, id="a", args=["x"], **FAR)
        with self.assertRaises(JobLookupError):
            self.scheduler.remove_job("b")
        with self.assertRaises(ValueError):
            self.scheduler.add_job(lambda: None, **FAR)

    def test_paused_jobs_come_last(self):
        for name in "cab":
            self.scheduler.add_job(fail, id=name, **FAR)
        self.scheduler.pause_job("a")
        self.scheduler.reschedule_job("b", trigger="date", run_date="2099-01-01")
        self.assertEqual([job.id for job in self.scheduler.get_jobs()], ["b", "c", "a"])
        self.scheduler.remove_all_jobs()
        self.assertEqual(self.scheduler.get_jobs(), [])


class ExecutionTests(TransactionTestCase):
    def execution(self, store, func, **options):
        """Run a job once, and return what the database has of that."""
        scheduler = BackgroundScheduler(executors={"default": DebugExecutor()})
        scheduler.add_jobstore(store, "default")
        DjangoJob.objects.get_or_create(id="a", defaults={"job_state": b""})
        done = threading.Event()
        scheduler.start()
        scheduler.add_listener(lambda event: done.set(), EVENT_JOB_EXECUTED)
        options = {"trigger": "interval", "hours": 1, "misfire_grace_time": None, **options}
        scheduler.add_job(func, id="a", replace_existing=True, **options)
        scheduler.modify_job("a", next_run_time="2020-01-01")
        self.assertTrue(done.wait(30))
        scheduler.shutdown()
        return DjangoJobExecution.objects.get(job_id="a")

    def test_a_run_of_a_stored_job(self):
        execution = self.execution(DjangoJobStore(), count, args=["ran"])
        self.assertEqual(execution.status, DjangoJobExecution.SUCCESS)

    def test_a_run_of_a_job_in_memory(self):
        execution = self.execution(DjangoMemoryJobStore(), count, args=["ran"])
        self.assertEqual(execution.status, DjangoJobExecution.SUCCESS)


class AdminTests(TransactionTestCase):
    def setUp(self):
        self.client.force_login(User.objects.create_superuser("admin"))
        scheduler = BackgroundScheduler(timezone="Europe/Berlin")
        scheduler.add_jobstore(DjangoJobStore(), "default")
        scheduler.start()
        scheduler.add_job(count, id="far", args=["by hand"], **FAR)
        scheduler.shutdown()

    def test_jobs_are_listed_and_run_by_hand(self):
        page = reverse("admin:django_apscheduler_djangojob_changelist")
        self.assertContains(self.client.get(page), "far")
        data = {"action": "run_selected_jobs", "_selected_action": ["far"]}
        answer = self.client.post(page, data, follow=True)
        self.assertContains(answer, "Executed job 'far'!")
        page = reverse("admin:django_apscheduler_djangojobexecution_changelist")
        self.assertContains(self.client.get(page), "Executed")
