"""The examples in the docstrings of helpers and triggers are so."""

from __future__ import annotations

import doctest
import inspect
from datetime import timedelta

import pytest

import mainspring._zones.local
import mainspring.triggers.cron.expressions
import mainspring.triggers.cron.fields
import mainspring.util
from mainspring import _mainspring

MODULES = [
    mainspring.util,
    mainspring._zones.local,
    mainspring.triggers.cron.fields,
    mainspring.triggers.cron.expressions,
]
CLASSES = [
    cls
    for name, cls in vars(_mainspring).items()
    if inspect.isclass(cls) and issubclass(cls, _mainspring.BaseTrigger)
]
NAMES = {cls.__name__: cls for cls in CLASSES} | {"timedelta": timedelta}


def members(cls):
    """The class and its documented attributes, as (docstring, name)."""
    yield cls.__doc__, cls.__name__
    for name, value in vars(cls).items():
        if not name.startswith("__"):
            yield inspect.getdoc(value), f"{cls.__name__}.{name}"


def examples():
    finder = doctest.DocTestFinder()
    for module in MODULES:
        yield from (test for test in finder.find(module) if test.examples)
    parser = doctest.DocTestParser()
    for cls in CLASSES:
        for docstring, name in members(cls):
            test = parser.get_doctest(docstring or "", dict(NAMES), name, None, None)
            if test.examples:
                yield test


@pytest.mark.parametrize("test", list(examples()), ids=lambda test: test.name)
def test_example(test, monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    runner.run(test)
    assert runner.failures == 0


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_everything_is_documented(cls):
    for docstring, name in members(cls):
        if name.rpartition(".")[2] not in ("SLOTS", "FIELD_NAMES", "FIELDS_MAP"):
            assert docstring, name


def test_signatures_are_told():
    assert str(inspect.signature(_mainspring.DateTrigger)) == "(run_date=None, timezone=None)"
    for cls in CLASSES:
        assert inspect.signature(cls)
