"""Programs packed with the interpreter and all they need: what packs them finds what mainspring needs.

``make test`` packs one program, ``make test-nightly`` the rest.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import shutil
import subprocess
import sys
import sysconfig
import zipapp
from collections.abc import Sequence
from pathlib import Path

import pytest

import mainspring
from mainspring import _named_modules
from mainspring._scheduler.plugins import EXECUTORS, JOBSTORES, TRIGGERS
from tests.support import NIGHTLY

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(__file__).with_name("frozen_program.py")
#: How long a packer may take, in seconds.
PATIENCE = 600
#: What the program does without, and what would take long to pack.
LEFT_OUT = [
    *("etcd3", "gevent", "kazoo", "numpy", "psycopg", "pymongo", "pytest"),
    *("redis", "rethinkdb", "tkinter", "tornado", "twisted"),
]
TOLD = {
    "here": 64,
    "loop": 9,
    "process": 36,
    "process-loop": 49,
    "proxy": 16,
    "sql": 25,
    "sql-or": 81,
    "thread": 4,
}

nightly = pytest.mark.skipif(not NIGHTLY, reason="takes long; part of the nightly run")
needs_shared_library = pytest.mark.skipif(
    sys.platform == "linux" and not sysconfig.get_config_var("Py_ENABLE_SHARED"),
    reason="this CPython has no shared library, which PyInstaller packs",
)


def named() -> set[str]:
    """The modules in the import statements of the list for packers."""
    tree = ast.parse(Path(_named_modules.__file__).read_text())
    nodes = (node for node in ast.walk(tree) if isinstance(node, ast.Import))
    return {alias.name for node in nodes for alias in node.names}


def test_all_that_rust_imports_is_named() -> None:
    imported: set[str] = set()
    for path in (ROOT / "src").rglob("*.rs"):
        source = path.read_text()
        imported.update(re.findall(r'\bimport\(\s*"([\w.]+)"', source))
        imported.update(re.findall(r'\bimport\(\s*intern!\(\s*\w+\s*,\s*"([\w.]+)"', source))
        imported.update(re.findall(r'\bTimeNames::of\(\s*"([\w.]+)"', source))
        imported.update(re.findall(r'= "([\w.]+)"(?:\."\w+")+;', source))
        # No other import but those of these macros and constants, whose names are found above.
        others = set(re.findall(r"\bimport\(\s*([^\"\s][^)]*)", source))
        assert others <= {'intern!(py, "random"', "self.module", "$module"}, path
    assert len(imported) > 30
    assert imported <= named()


def test_all_plugins_and_homes_are_named() -> None:
    plugins = {
        plugin.value.partition(":")[0]
        for plugins in (EXECUTORS, JOBSTORES, TRIGGERS)
        for plugin in plugins._builtin.values()
    }
    homes = {f"mainspring.{home}" for home in mainspring._HOMES.values()}
    reached = {"mainspring.schedulers", "mainspring._mainspring"}
    assert plugins | homes <= named() | reached


def test_what_is_named_exists_and_costs_nothing() -> None:
    for name in named():
        assert importlib.util.find_spec(name.partition(".")[0]) is not None
    program = (
        "import sys, mainspring.schedulers.asyncio\n"
        "assert 'mainspring._named_modules' not in sys.modules\n"
        "assert 'uuid' not in sys.modules, 'not before it is used'\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def run(command: Sequence[str | Path], **options: object) -> str:
    # A program that has everything with it needs no environment that says where things are.
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        **options,  # type: ignore[call-overload]
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout)


def told(program: Sequence[str | Path], directory: Path) -> dict[str, int]:
    """Run the program; return what its jobs have returned."""
    lines = run([*program, directory]).split("\n")
    return {name: int(value) for name, value in (line.split() for line in lines if line)}


def pyinstaller(directory: Path, form: str) -> Path:
    command = [sys.executable, "-m", "PyInstaller", form, "--noconfirm", "--log-level=ERROR"]
    for name in LEFT_OUT:
        command.append(f"--exclude-module={name}")
    for option in ("dist", "work", "spec"):
        command.append(f"--{option}path={directory / option}")
    run([*command, str(PROGRAM)], cwd=directory)
    return directory / "dist"


@needs_shared_library
def test_pyinstaller_with_one_folder(tmp_path: Path) -> None:
    pytest.importorskip("PyInstaller")
    packed = pyinstaller(tmp_path, "--onedir") / PROGRAM.stem
    assert told([packed / PROGRAM.stem], tmp_path) == TOLD


@nightly
@needs_shared_library
def test_pyinstaller_with_one_file(tmp_path: Path) -> None:
    pytest.importorskip("PyInstaller")
    assert told([pyinstaller(tmp_path, "--onefile") / PROGRAM.stem], tmp_path) == TOLD


@nightly
def test_cx_freeze(tmp_path: Path) -> None:
    pytest.importorskip("cx_Freeze")
    # SQLAlchemy imports its dialects by name, which PyInstaller knows.
    command = [
        sys.executable,
        "-m",
        "cx_Freeze",
        "--script",
        PROGRAM,
        "--target-dir",
        tmp_path / "p",
    ]
    options = ["--includes=sqlalchemy.dialects.sqlite", f"--excludes={','.join(LEFT_OUT)}"]
    run([*command, *options], cwd=tmp_path)
    assert told([tmp_path / "p" / PROGRAM.stem], tmp_path) == TOLD


MAIN = """\
import multiprocessing, sys
from frozen_program import main

if __name__ == "__main__":
    multiprocessing.freeze_support()
    main(sys.argv[1])
"""


def zip_of(directory: Path, with_package: bool) -> Path:
    contents = directory / "contents"
    contents.mkdir()
    shutil.copy(PROGRAM, contents)
    (contents / "__main__.py").write_text(MAIN)
    if with_package:
        package = Path(mainspring.__file__).parent
        shutil.copytree(
            package, contents / "mainspring", ignore=shutil.ignore_patterns("__pycache__")
        )
    zipapp.create_archive(contents, directory / "program.pyz")
    return directory / "program.pyz"


def test_a_program_in_a_zip_beside_an_installed_mainspring(tmp_path: Path) -> None:
    assert told([sys.executable, zip_of(tmp_path, with_package=False)], tmp_path) == TOLD


def test_mainspring_in_a_zip(tmp_path: Path) -> None:
    program = zip_of(tmp_path, with_package=True)
    done = subprocess.run([sys.executable, "-S", program, tmp_path], capture_output=True, text=True)
    assert done.returncode == 1
    assert "No module named 'mainspring._mainspring'" in done.stderr
