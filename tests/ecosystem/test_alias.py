"""The alias: unchanged programs for APScheduler run on mainspring."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PATIENCE = 60


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, cwd=cwd)


def run_installed(source: str) -> str:
    """Run a program that installs the alias first; return what it prints."""
    done = run("-c", f"import mainspring\nmainspring.install_as_apscheduler()\n{source}")
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


# The module paths of APScheduler 3.11.3, but for what needs other packages.
PATHS = [
    "events",
    "executors",
    "executors.asyncio",
    "executors.base",
    "executors.debug",
    "executors.pool",
    "job",
    "jobstores",
    "jobstores.base",
    "jobstores.memory",
    "jobstores.mongodb",
    "jobstores.redis",
    "jobstores.rethinkdb",
    "jobstores.zookeeper",
    "schedulers",
    "schedulers.asyncio",
    "schedulers.background",
    "schedulers.base",
    "schedulers.blocking",
    "triggers",
    "triggers.base",
    "triggers.calendarinterval",
    "triggers.combining",
    "triggers.cron",
    "triggers.cron.expressions",
    "triggers.cron.fields",
    "triggers.date",
    "triggers.interval",
    "util",
]


def test_every_module_path_leads_to_ours() -> None:
    lines = [f"import apscheduler.{path}, mainspring.{path}" for path in PATHS]
    lines += [f"assert apscheduler.{path} is mainspring.{path}" for path in PATHS]
    lines += [f"assert mainspring.{path}.__spec__.name == 'mainspring.{path}'" for path in PATHS]
    run_installed("\n".join(lines))


@pytest.mark.parametrize(
    ("path", "module"),
    [
        ("executors.gevent", "gevent"),
        ("executors.tornado", "tornado"),
        ("executors.twisted", "twisted"),
        ("jobstores.sqlalchemy", "sqlalchemy"),
        ("schedulers.gevent", "gevent"),
        ("schedulers.qt", "PySide6.QtCore"),
        ("schedulers.tornado", "tornado"),
        ("schedulers.twisted", "twisted"),
    ],
)
def test_paths_that_need_other_packages(path: str, module: str) -> None:
    pytest.importorskip(module, reason=f"{module} cannot be installed here")
    run_installed(
        f"import apscheduler.{path}, mainspring.{path}\n"
        f"assert apscheduler.{path} is mainspring.{path}"
    )


def test_the_ways_to_import() -> None:
    run_installed(
        """
import importlib, pickle, sys
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger
import apscheduler.jobstores.base as base
from apscheduler import events
assert AsyncIOScheduler is mainspring.AsyncIOScheduler
assert importlib.import_module("apscheduler.job").Job is mainspring.Job
assert sys.modules["apscheduler.events"] is events is mainspring.events
assert importlib.util.find_spec("apscheduler.schedulers.base") is not None
assert importlib.util.find_spec("apscheduler.nothing") is None
trigger = pickle.loads(pickle.dumps(CronTrigger(hour=4, timezone="UTC")))
assert str(trigger) == "cron[hour='4']"
for name in ("apscheduler.nothing", "apscheduler._mainspring"):
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as exc:
        assert exc.name == name
    else:
        raise AssertionError(name)
import mainspring.schedulers.asyncio
importlib.reload(mainspring.schedulers.asyncio)
"""
    )


def test_the_version_is_that_of_the_interface() -> None:
    output = run_installed(
        """
import apscheduler, importlib.metadata as metadata
assert apscheduler.__file__ == mainspring.__file__
print(apscheduler.__version__, apscheduler.version, apscheduler.version_info, apscheduler.release)
print(metadata.version("apscheduler"), metadata.version("APScheduler"))
print(metadata.metadata("apscheduler")["Summary"].split()[:3])
found = list(metadata.distributions(name="APScheduler"))
print(metadata.version("mainspring") != "", found[0].version)
"""
    )
    assert output.splitlines() == [
        "3.11.3 3.11.3 (3, 11, 3) 3.11.3",
        "3.11.3 3.11.3",
        "['Provided', 'by', 'mainspring']",
        "True 3.11.3",
    ]


def test_loggers_have_apschedulers_names() -> None:
    output = run_installed(
        """
import logging, sys, threading
logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(name)s")
from apscheduler.events import EVENT_JOB_EXECUTED
from apscheduler.schedulers.background import BackgroundScheduler
ran = threading.Event()
scheduler = BackgroundScheduler(timezone="UTC")
scheduler.add_listener(lambda event: ran.set(), EVENT_JOB_EXECUTED)
scheduler.start()
scheduler.add_job(len, args=["ran"], misfire_grace_time=None)
assert ran.wait(30)
scheduler.shutdown()
"""
    )
    assert set(output.split()) == {"apscheduler.scheduler", "apscheduler.executors.default"}


LOGURU = """
import asyncio, inspect, logging, sys, threading
from {library}.events import EVENT_JOB_ERROR
from {library}.schedulers.background import BackgroundScheduler
from loguru import logger

class InterceptHandler(logging.Handler):
    # As the documentation of loguru has it.
    def emit(self, record):
        frame, depth = inspect.currentframe(), 0
        while frame and (depth == 0 or frame.f_code.co_filename == logging.__file__):
            frame, depth = frame.f_back, depth + 1
        logger.opt(depth=depth).log(record.levelname, record.getMessage())

logging.basicConfig(handlers=[InterceptHandler()], level=0, force=True)
logging.getLogger("asyncio").setLevel(logging.ERROR)
logger.remove()
logger.add(sys.stdout, format="{{name}} {{function}}")

def fail():
    raise LookupError

async def fail_async():
    raise LookupError

def run():
    failed = threading.Semaphore(0)
    scheduler = BackgroundScheduler(timezone="UTC")
    scheduler.add_executor("debug", "debug")
    scheduler.add_listener(lambda event: failed.release(), EVENT_JOB_ERROR)
    scheduler.start()
    for executor in "default", "debug":
        for func in fail, fail_async:
            scheduler.add_job(func, executor=executor, misfire_grace_time=None)
            assert failed.acquire(timeout=30)
    scheduler.pause()
    scheduler.resume()
    scheduler.shutdown()

run()
logger.disable("{library}")
logger.add(sys.stderr)
run()
"""


@pytest.mark.parametrize("library", ["apscheduler", "mainspring"])
def test_records_come_from_the_librarys_modules(library: str) -> None:
    source = LOGURU.format(library=library)
    if library == "apscheduler":
        output = run_installed(source)
    else:
        done = run("-c", source)
        assert (done.returncode, done.stderr) == (0, ""), done
        output = done.stdout
    told = set(output.splitlines())
    assert all(line.startswith(f"{library}.") for line in told)
    assert {f"{library}.executors.base {run}" for run in ("run_job", "run_coroutine_job")} < told
    # Those of a scheduler, some of which are made in Rust.
    assert {f"{library}.schedulers.base {name}" for name in ("start", "pause", "remove_job")} < told


def test_messages_are_apschedulers_to_the_letter() -> None:
    # DIFFERENCE: under mainspring's own name they go on with the job's id and the like.
    output = run_installed(
        """
import logging, sys
from apscheduler.executors.base import BaseExecutor
from apscheduler.schedulers.base import BaseScheduler

logging.basicConfig(stream=sys.stdout, level=logging.WARNING, format="%(message)s")

class Scheduler(BaseScheduler):
    shutdown = wakeup = lambda self, wait=True: None

class Executor(BaseExecutor):
    def _do_submit_job(self, job, run_times):
        if job.id == "fails":
            raise OSError("no room")

def fail(event):
    raise OSError("bad listener")

scheduler = Scheduler(timezone="UTC", executors={"default": Executor()})
scheduler.add_listener(fail, 1)
scheduler.start()
past = "2020-01-01 00:00:00"
scheduler.add_job(print, "cron", year=2999, next_run_time=past, id="fails", name="a")
scheduler.add_job(print, "cron", year=2999, next_run_time=past, id="runs", name="b")
for _ in range(2):
    scheduler.modify_job("runs", next_run_time=past)
    scheduler._process_jobs()
"""
    )
    told = [line for line in output.splitlines() if line.startswith(("E", "Execution"))]
    assert [line.partition(" (trigger")[0] for line in told] == [
        "Error notifying listener",
        'Error submitting job "a',
        'Execution of job "b',
    ]
    assert told[0] == "Error notifying listener"
    assert told[1].endswith(' to executor "default"')
    assert told[2].endswith(" skipped: maximum number of running instances reached (1)")


def test_a_due_job_that_is_skipped_is_told_of_in_the_same_words() -> None:
    # By the engine in Rust.
    output = run_installed(
        """
import logging, sys, threading
from apscheduler.events import EVENT_JOB_MAX_INSTANCES
from apscheduler.schedulers.background import BackgroundScheduler

logging.basicConfig(stream=sys.stdout, level=logging.WARNING, format="%(message)s")
skipped, go_on = threading.Event(), threading.Event()
scheduler = BackgroundScheduler(timezone="UTC")
scheduler.add_listener(lambda event: skipped.set(), EVENT_JOB_MAX_INSTANCES)
scheduler.add_job(go_on.wait, "interval", seconds=0.1, id="long")
scheduler.start()
assert skipped.wait(30)
go_on.set()
scheduler.shutdown()
"""
    )
    assert output.splitlines()[0].endswith("maximum number of running instances reached (1)")


def test_modules_that_a_program_has_not_imported_itself() -> None:
    run_installed(
        """
import apscheduler
from apscheduler.schedulers.background import BackgroundScheduler
assert apscheduler.jobstores.memory.MemoryJobStore is mainspring.MemoryJobStore
for name in ("nothing", "_mainspring", "__path"):
    assert not hasattr(apscheduler, name)
try:
    apscheduler.nothing
except AttributeError as exc:
    assert str(exc) == "module 'apscheduler' has no attribute 'nothing'"
"""
    )


def test_exported_jobs_name_the_version_of_the_interface() -> None:
    output = run_installed(
        """
import io, json, apscheduler
from unittest import mock
from apscheduler.schedulers.background import BackgroundScheduler
scheduler = BackgroundScheduler(timezone="UTC")
scheduler.start(paused=True)
for name in ("apscheduler", "mainspring"):
    file = io.StringIO()
    with mock.patch("mainspring._logs.prefix", name):
        scheduler.export_jobs(file)
    print(json.loads(file.getvalue())["scheduler_version"])
print(mainspring.__version__)
scheduler.shutdown()
"""
    )
    interface, shown, ours = output.split()
    assert interface == "3.11.3"
    assert shown == ours


def test_the_real_package_must_not_have_been_imported() -> None:
    done = run("-c", "import apscheduler, mainspring; mainspring.install_as_apscheduler()")
    assert done.returncode == 1
    assert "RuntimeError: APScheduler has already been imported from" in done.stderr
    assert "before anything imports it" in done.stderr


def test_installing_twice_is_once() -> None:
    run_installed(
        "import sys, apscheduler\nbefore = list(sys.meta_path)\n"
        "mainspring.install_as_apscheduler()\nassert sys.meta_path == before"
    )


PROGRAM = """
import sys
from datetime import datetime
from multiprocessing import get_context

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.executors.pool import ProcessPoolExecutor
from apscheduler.events import EVENT_JOB_EXECUTED


def answer():
    return 42, BackgroundScheduler.__module__


if __name__ == "__main__":
    import threading
    ran = threading.Event()
    scheduler = BackgroundScheduler(executors={"processes": ProcessPoolExecutor(1)}, timezone="UTC")
    results = []
    scheduler.add_listener(lambda e: (results.append(e.retval), ran.set()), EVENT_JOB_EXECUTED)
    scheduler.add_job(answer, executor="processes", misfire_grace_time=None)
    scheduler.start()
    assert ran.wait(50)
    scheduler.shutdown()
    print(results[0], sys.argv[1:])
    sys.exit(5)
"""


@pytest.mark.parametrize("form", ["script", "module", "package"])
def test_a_program_is_run_unchanged(tmp_path: Path, form: str) -> None:
    files = {"script": "program.py", "module": "program.py", "package": "program/__main__.py"}
    path = tmp_path / files[form]
    path.parent.mkdir(exist_ok=True)
    path.write_text(PROGRAM)
    before = set(tmp_path.rglob("*.py"))
    how = [str(path)] if form == "script" else ["-m", "program"]
    done = run("-m", "mainspring.as_apscheduler", *how, "-v", "x", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (5, ""), done
    assert done.stdout == "(42, 'mainspring.schedulers.background') ['-v', 'x']\n"
    assert set(tmp_path.rglob("*.py")) == before


def test_the_place_of_a_program_is_found(tmp_path: Path) -> None:
    # As Flask looks for its own application's directory.
    path = tmp_path / "program.py"
    path.write_text("import importlib.util\nprint(importlib.util.find_spec(__name__).origin)")
    done = run("-m", "mainspring.as_apscheduler", str(path))
    assert (done.stdout, done.stderr) == (f"{path}\n", "")


def test_pytest_does_not_warn_that_the_package_is_there_already(tmp_path: Path) -> None:
    # pytest warns so of packages with plugins, and a suite that turns warnings into errors does not start.
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    (tmp_path / "test_alias.py").write_text(
        "import apscheduler.job, mainspring, pytest\n"
        "def test_alias():\n"
        "    pytest.register_assert_rewrite('mainspring')\n"
        "    assert apscheduler.job.Job is mainspring.Job\n"
    )
    program = ["-m", "mainspring.as_apscheduler", "-m", "pytest", "-p", "no:asyncio"]
    done = run(*program, cwd=tmp_path)
    assert done.returncode == 0, done


def test_what_cannot_be_run_is_named(tmp_path: Path) -> None:
    for arguments, message in {
        (): "python -m mainspring.as_apscheduler program.py",
        ("nothing.py",): "can't open file 'nothing.py': No such file or directory",
        ("-m", "nothing"): "No module named nothing",
    }.items():
        done = run("-m", "mainspring.as_apscheduler", *arguments, cwd=tmp_path)
        assert done.returncode == 1
        assert message in done.stderr
        assert "Traceback" not in done.stderr


def test_a_program_that_fails_shows_its_own_lines(tmp_path: Path) -> None:
    path = tmp_path / "program.py"
    path.write_text("import apscheduler\n\nraise LookupError('no luck')\n")
    done = run("-m", "mainspring.as_apscheduler", str(path))
    assert done.returncode == 1
    assert f'File "{path}", line 3' in done.stderr
    assert "LookupError: no luck" in done.stderr


def test_the_environment_of_the_tests_has_the_real_package() -> None:
    # Or the tests above would show less than they seem to.
    done = run("-c", "import apscheduler; print(apscheduler.__file__)")
    assert os.path.basename(os.path.dirname(done.stdout)) == "apscheduler"
