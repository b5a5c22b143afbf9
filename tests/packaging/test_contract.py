"""What Rust calls of Python is spelled in one folder of Rust and in ``_contract.py``, alike in both.

That the package is as ``_contract.py`` has it mypy tells, by ``held.py``.
"""

import ast
import re
from collections import Counter
from importlib import import_module
from inspect import get_annotations
from pathlib import Path

import pytest

from mainspring import _contract

ROOT = Path(__file__).resolve().parents[2]
HOST = ROOT / "src/py/host"

#: Names that are no look-up: what APScheduler's class has for a slot.
SLOTS = {"_time"}

#: What `host/scheduler.rs` calls.
PROTOCOLS = (_contract.BoundDrivenScheduler, _contract.BoundScheduler, _contract.BoundHostLoop)


def code_of(file):
    return re.sub(r"//.*", "", file.read_text("utf-8"))


def strings_of(file):
    """Return the strings in a file of Rust, but for the module that a class is said to be in."""
    return re.findall(r'"([^"\n]*)"', re.sub(r'module = "[^"]*"', "", code_of(file)))


def names_of(protocol):
    """Return the names that a Protocol has, those of its bases included."""
    classes = [each for each in protocol.__mro__ if getattr(each, "_is_protocol", False)]
    names = set()
    for each in classes:
        names |= {name for name in vars(each) if not name.startswith(("__", "_abc_", "_is_"))}
        names |= set(get_annotations(each))
    return names


def strings_of_python(file):
    """Return the strings in the code of a file of Python, docstrings not included."""
    nodes = list(ast.walk(ast.parse(file.read_text("utf-8"))))
    docs = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    constants = [node for node in nodes if isinstance(node, ast.Constant) and id(node) not in docs]
    return [node.value for node in constants if isinstance(node.value, str)]


def literals_of_rust(file):
    """Return the strings in a file of Rust as they are read."""
    found = re.findall(r'"((?:[^"\\\n]|\\"|\\\n)*)"', code_of(file))
    return [re.sub(r"\\\n\s*", "", text).replace('\\"', '"') for text in found]


def imported():
    """Return which names of which module, or of a class in it, `host/modules.rs` imports."""
    code = code_of(HOST / "modules.rs")
    found = {}
    for module, attributes in re.findall(r'= "([\w.]+)"((?:\."\w+")+);', code):
        *path, name = re.findall(r"\w+", attributes)
        found.setdefault(".".join((module, *path)), set()).add(name)
    looked_up = set(re.findall(r'intern!\(py, "(\w+)"\)', code))
    for module in re.findall(r'TimeNames::of\("([\w.]+)"\)', code):
        found[module] = found.get(module, set()) | looked_up & names_of(_contract.MODULES[module])
    return found, looked_up


def find(path):
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name) if name[0].isupper() else import_module(path)


def test_one_folder_of_rust_spells_what_python_keeps_to_itself():
    files = [file for file in (ROOT / "src").rglob("*.rs") if HOST not in file.parents]
    defined = set(SLOTS)
    for file in files:
        defined.update(re.findall(r"\bfn (_\w+)|getter\((_\w+)\)", code_of(file)))
    defined = {name for each in defined for name in (each if isinstance(each, tuple) else [each])}
    wrong = {
        f"{file.relative_to(ROOT)}: {text}"
        for file in files
        for text in strings_of(file)
        if (re.fullmatch(r"_[a-z]\w*", text) and text not in defined)
        or re.match(r"mainspring\b(?!-)", text)
    }
    assert len(files) > 50
    assert wrong == set()


def test_rust_and_the_protocols_name_the_same_of_a_scheduler():
    spelled = set(re.findall(r'intern!\([^"]*"(\w+)"\)', code_of(HOST / "scheduler.rs")))
    assert spelled == set().union(*map(names_of, PROTOCOLS))


def test_rust_and_the_protocols_name_the_same_of_modules():
    found, looked_up = imported()
    assert found == {path: names_of(protocol) for path, protocol in _contract.MODULES.items()}
    assert looked_up == names_of(_contract.TimeNamesOfDays)


def test_rust_and_the_table_name_the_same_of_cpython():
    spelled = {text for text in strings_of(HOST / "cpython.rs") if re.match(r"_[a-z]", text)}
    assert spelled == set(_contract.OF_CPYTHON)


@pytest.mark.parametrize("path", _contract.MODULES)
def test_the_modules_have_what_rust_imports(path):
    there = find(path)
    assert {name for name in names_of(_contract.MODULES[path]) if not hasattr(there, name)} == set()


def test_mypy_is_shown_every_protocol_with_what_is_to_have_it():
    held = (ROOT / "tests/packaging/held.py").read_text("utf-8")
    assigned = re.findall(r"^\w+: _contract\.(\w+) = ([\w.]+)", held, re.MULTILINE)
    assert {path: protocol for protocol, path in assigned} == {
        path: protocol.__name__ for path, protocol in _contract.MODULES.items()
    }
    returned = set(re.findall(r"-> _contract\.(\w+):", held))
    assert returned == {protocol.__name__ for protocol in (*PROTOCOLS, _contract.Clock)}


def test_what_is_logged_is_written_once():
    counts = Counter()
    for tree, suffix, strings in (
        (ROOT / "python/mainspring", ".py", strings_of_python),
        (ROOT / "src", ".rs", literals_of_rust),
    ):
        for file in tree.rglob(f"*{suffix}"):
            counts.update(text for text in strings(file) if re.match(r"[A-Z]\w* .*%[sdf]", text))
    assert counts["Removed job %s"] == 1
    assert counts['Added job "%s" to job store "%s"'] == 1
    assert {text for text, count in counts.items() if count > 1} == set()


@pytest.mark.parametrize("kind", ["JobEvent", "JobSubmissionEvent"])
def test_events_of_jobs_and_submissions_are_made_by_the_binding_alone(kind):
    making = [
        file.relative_to(ROOT).as_posix()
        for file in (ROOT / "python/mainspring").rglob("*.py")
        if re.search(rf"\b{kind}\(", file.read_text("utf-8"))
    ]
    assert set(making) <= {"python/mainspring/events.py", "python/mainspring/_contract.py"}
