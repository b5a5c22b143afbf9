"""What is installed and what a source distribution holds."""

import importlib.metadata
import importlib.resources
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

import mainspring

ROOT = Path(__file__).resolve().parents[2]


def cargo_version() -> str:
    manifest = (ROOT / "Cargo.toml").read_text()
    found = re.search(r'^version = "(.+)"$', manifest, re.MULTILINE)
    assert found
    return found[1]


def test_the_version_is_written_once():
    assert mainspring.__version__ == cargo_version()
    assert importlib.metadata.version("mainspring") == cargo_version()


def test_the_changelog_knows_the_version():
    assert f"## [{cargo_version()}]" in (ROOT / "CHANGELOG.md").read_text()


def test_nothing_is_required_but_time_zone_data_on_windows():
    requires = importlib.metadata.requires("mainspring") or []
    assert [line for line in requires if "extra ==" not in line] == [
        "tzdata ; platform_system == 'Windows'"
    ]


def test_the_package_says_that_it_is_typed():
    package = importlib.resources.files("mainspring")
    assert (package / "py.typed").is_file()
    assert (package / "_mainspring.pyi").is_file()


def test_the_source_distribution_is_complete(tmp_path):
    maturin = [sys.executable, "-m", "maturin"]
    subprocess.run([*maturin, "sdist", "--out", tmp_path], cwd=ROOT, check=True)
    (archive,) = tmp_path.iterdir()
    top = f"mainspring-{cargo_version()}"
    assert archive.name == f"{top}.tar.gz"
    with tarfile.open(archive) as tar:
        names = {name.removeprefix(f"{top}/") for name in tar.getnames()}

    # Everything that is needed to build, and to test what was built.
    tracked = {"Cargo.toml", "Cargo.lock", "pyproject.toml", "LICENSE", "README.md", "Makefile"}
    for folder in ("src", "crates", "python", "tests", "examples", "benchmarks", "requirements"):
        tracked |= {
            path.relative_to(ROOT).as_posix()
            for path in (ROOT / folder).rglob("*")
            if path.suffix in {".rs", ".toml", ".py", ".pyi", ".typed", ".txt"}
        }
    assert tracked <= names
    assert "PKG-INFO" in names
    assert not [name for name in names if Path(name).suffix in {".so", ".pyd", ".pyc"}]


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_every_make_target_that_a_document_names_is_there(name):
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"(?:^|`)make ([a-z-]+)", (ROOT / name).read_text(), re.M))
    assert targets
    assert targets <= set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
