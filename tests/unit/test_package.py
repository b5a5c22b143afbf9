from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import pytest

import mainspring


@pytest.mark.parametrize("name", sorted(set(mainspring.__all__)))
def test_public_names(name: str) -> None:
    assert getattr(mainspring, name) is not None
    assert name in dir(mainspring)


@pytest.mark.parametrize(("name", "home"), sorted(mainspring._HOMES.items()))
def test_names_come_from_their_homes(name: str, home: str) -> None:
    assert getattr(mainspring, name) is getattr(import_module(f"mainspring.{home}"), name)
    assert name in mainspring.__all__


def test_type_checkers_see_the_same_names() -> None:
    assert mainspring.__file__ is not None
    tree = ast.parse(Path(mainspring.__file__).read_text(encoding="utf-8"))
    (guarded,) = (node for node in tree.body if isinstance(node, ast.If))
    imported = {
        alias.name: str(node.module).removeprefix("mainspring.")
        for node in guarded.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert imported == mainspring._HOMES


def test_unknown_name() -> None:
    with pytest.raises(AttributeError, match="module 'mainspring' has no attribute 'nosuch'"):
        mainspring.nosuch  # noqa: B018


def test_version() -> None:
    assert mainspring.__version__ == mainspring.version == version("mainspring")
    assert mainspring.version_info[:2] == tuple(map(int, mainspring.version.split(".")[:2]))


def test_importing_loads_only_what_is_used() -> None:
    program = (
        "import sys, mainspring\n"
        "from mainspring.schedulers.asyncio import AsyncIOScheduler\n"
        "print('asyncio' in sys.modules)\n"
        "AsyncIOScheduler(timezone='UTC')\n"
        "unwanted = {'multiprocessing', 'pickle', 'json', 'importlib.metadata', 'difflib',\n"
        "    'concurrent.futures.process', 'mainspring.triggers.cron', 'uuid'}\n"
        "print(sorted(unwanted & set(sys.modules)))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert result.stdout == "False\n[]\n"
