"""The jobs of the project."""

from django_apscheduler import util
from django_apscheduler.models import DjangoJob, DjangoJobExecution


@util.close_old_connections
def count(name):
    """Use the database, as jobs do."""
    print(name, DjangoJob.objects.count(), flush=True)


def fail():
    print("fails", flush=True)
    raise ValueError("no good")


@util.close_old_connections
def delete_old_job_executions(max_age=604_800):
    DjangoJobExecution.objects.delete_old_job_executions(max_age)
