"""The modules that mainspring imports by a name in a string, or from Rust, as import statements.

PyInstaller, cx_Freeze and the like pack the modules that a program imports, which they find in import
statements. Nothing here is ever called or even imported: a statement that is reached from the package
is enough.
"""

# ruff: noqa: F401

from __future__ import annotations


def _by_rust() -> None:
    import abc
    import asyncio
    import asyncio.events
    import collections.abc
    import contextvars
    import copyreg
    import datetime
    import functools
    import importlib.resources
    import inspect
    import logging
    import os
    import random
    import sys
    import threading
    import traceback
    import types
    import uuid
    import warnings
    import weakref
    import zoneinfo

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


def _by_the_package() -> None:
    """The homes of its names."""
    import mainspring.as_apscheduler
    import mainspring.executors.asyncio
    import mainspring.executors.debug
    import mainspring.executors.pool
    import mainspring.from_thread
    import mainspring.job
    import mainspring.jobstores.memory
    import mainspring.schedulers.asyncio
    import mainspring.schedulers.background
    import mainspring.schedulers.blocking
    import mainspring.triggers.combining


def _by_alias() -> None:
    """The plugins; those whose package is not there are left out."""
    import mainspring.executors.gevent
    import mainspring.executors.tornado
    import mainspring.executors.twisted
    import mainspring.jobstores.etcd
    import mainspring.jobstores.mongodb
    import mainspring.jobstores.redis
    import mainspring.jobstores.rethinkdb
    import mainspring.jobstores.sqlalchemy
    import mainspring.jobstores.zookeeper
