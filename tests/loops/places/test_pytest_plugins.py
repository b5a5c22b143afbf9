"""pytest plugins that give each test a loop of its own, and suites that forget a scheduler on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.loops.places.running import PROGRAMS, Program

AUTO = ("-o", "asyncio_mode=auto", "-o", "asyncio_default_fixture_loop_scope=function")
PLUGINS = [
    pytest.param("asyncio", ["-p", "no:anyio", *AUTO], id="pytest-asyncio"),
    pytest.param("anyio", ["-p", "no:asyncio"], id="anyio"),
    pytest.param("anyio-uvloop", ["-p", "no:asyncio"], id="anyio-uvloop"),
]


def run_suite(
    monkeypatch: pytest.MonkeyPatch, directory: Path, plugin: str, options: list[str]
) -> str:
    """Run the suite in a pytest of its own, without this project's settings."""
    pytest.importorskip("anyio", reason="anyio cannot be installed here")
    if plugin.endswith("uvloop"):
        pytest.importorskip("uvloop", reason="uvloop has no wheel for this platform")
    monkeypatch.setenv("PLUGIN", plugin)
    (directory / "pytest.ini").write_text("[pytest]\n")
    with Program(
        *(
            "-m",
            "pytest",
            "-c",
            str(directory / "pytest.ini"),
            "-p",
            "no:cacheprovider",
            "-q",
            "--noconftest",
        ),
        *("-W", "error", "--color=no", *options, str(PROGRAMS / "forgetful_suite.py")),
        cwd=directory,
    ) as program:
        return program.ends()


@pytest.mark.parametrize(("plugin", "options"), PLUGINS)
def test_a_forgotten_scheduler_is_stopped_when_its_loop_closes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, plugin: str, options: list[str]
) -> None:
    assert "8 passed in" in run_suite(monkeypatch, tmp_path, plugin, options)


@pytest.mark.parametrize(("plugin", "options"), PLUGINS[:1])
def test_the_program_ends_right_after(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, plugin: str, options: list[str]
) -> None:
    options = [*options, "-k", "test_forgets"]
    assert "2 passed, 6 deselected in" in run_suite(monkeypatch, tmp_path, plugin, options)
