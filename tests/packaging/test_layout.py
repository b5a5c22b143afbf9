"""Where things are: imports point one way, no file is too long, each module says what it is for.

Which way imports point, in the package, the binding and the core, is in a table in CONTRIBUTING.md.
"""

import ast
import io
import re
import tokenize
from itertools import chain, pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

#: Which may import which, by tree.
ARROWS = dict(
    re.findall(
        r"^(\S+)\n((?: {4}.+\n)+)",
        (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition("## Which way imports point")[2],
        flags=re.MULTILINE,
    )
)

#: The imports that point the other way, each under its reason.
EXCEPTIONS = {
    "the base class has to be in schedulers/base.py, where programs patch what it reads": [
        "python/mainspring/_scheduler/driven.py > schedulers",
    ],
    "schedulers/__init__.py has the exceptions that programs name, and imports nothing": [
        "python/mainspring/_scheduler/ending.py > schedulers",
    ],
}

#: What no file of the core may name but these.
ALONE = {
    r"\b(Instant|SystemTime)::now\b": ["time/clock.rs"],
    r"\bthread::(Builder|scope|spawn)\b": ["engine/timer_thread.rs"],
    r"\bstd::(env|fs|net)\b|\bpyo3\b": [],
}

#: The testing kit, the clock that it moves, and their time in Rust, by name.
KIT = r"(?i)manual.?clock|virtual.?time|mainspring[./]testing"

#: Who may say so: the kit, its face in Rust, and what tells a user what to do.
NAME_THE_KIT = {
    "python/mainspring": {
        *("_mainspring.pyi", "_scheduler/frozen.py", "pytest_plugin.py", "schedulers/base.py"),
    },
    "src": {
        *("lib.rs", "scheduler/drive.rs", "scheduler/mod.rs"),
        *("scheduler/run_log.rs", "scheduler/virtual_time.rs"),
    },
    "crates/mainspring-core/src": {"time/clock.rs", "time/mod.rs"},
}

#: Where a thread attaches to Python, and why. The timer thread comes to none of these: what it calls
#: is in `src/dispatch`, where two files have threads of their own for what needs Python.
ATTACH = {
    "src/dispatch/aside.rs": "the timer thread leaves to such threads what must wait for Python",
    "src/dispatch/wake.rs": "the thread that wakes a loop which watches no descriptor",
    "src/job/fields.rs": "makes an error, in threads that are attached",
    "src/process/late_thread.rs": "the life of a thread that CPython does not start any more",
    "src/py/awaitable.rs": "the thread of futures tells a loop that one is done",
    "src/py/error.rs": "makes an error, in threads that are attached",
    "src/time/zone.rs": "a zone in Python, which no sweep asks",
    "src/trigger/host.rs": "a trigger in Python, which no sweep asks",
}

#: The types that a store of jobs may be of, which the binding names in one file.
STORES = r"\b(Memory|Shared)Store\b"

#: How many lines of code a file may have; blank lines, comments and docstrings are none.
MOST_LINES = 400


def what_may_be_imported(arrows):
    """Return for each name the names that it may import."""
    below = {}
    for arrow in arrows.split("\n"):
        for left, right in pairwise(group.split() for group in arrow.split(">")):
            for name in left:
                below.setdefault(name, set()).update(right)
    while True:
        more = {
            name: names.union(*(below.get(each, ()) for each in names))
            for name, names in below.items()
        }
        if more == below:
            return below
        below = more


def imports_of_python(path, text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports are not read here"
            modules = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for module in modules:
            package, _, rest = module.partition(".")
            if package == "mainspring":
                yield rest.partition(".")[0]


def code_of_rust(text):
    return re.sub("//.*", "", text)


def imports_of_rust(path, text):
    module = [part for part in path.with_suffix("").parts if part not in ("lib", "mod")]
    named = re.findall(r"\b(crate::|(?:super::)+)(\w+|\{[^;]*;)", code_of_rust(text))
    for start, names in named:
        if start == "crate::" or start.count("super") >= len(module):
            yield from re.findall(r"\w+", names)


TREES = {
    "python/mainspring": (ARROWS["python/mainspring"], ".py", imports_of_python),
    "src": (ARROWS["src"], ".rs", imports_of_rust),
    "crates/mainspring-core/src": (ARROWS["crates/mainspring-core/src"], ".rs", imports_of_rust),
}


def imports_between_modules(tree):
    """Return which file imports which module or folder at the top of its tree."""
    _, suffix, imports = TREES[tree]
    modules = {path.name.partition(".")[0] for path in (ROOT / tree).iterdir()}
    found = set()
    for file in (ROOT / tree).rglob(f"*{suffix}"):
        path = file.relative_to(ROOT / tree)
        here = path.parts[0].removesuffix(suffix)
        for name in imports(path, file.read_text("utf-8")):
            if name in modules and name != here:
                found.add((here, path.as_posix(), name))
    return found


@pytest.mark.parametrize("tree", TREES)
def test_imports_point_one_way(tree):
    allowed = what_may_be_imported(TREES[tree][0])
    found = imports_between_modules(tree)
    assert len(found) > 10
    wrong = {
        f"{tree}/{path} > {name}" for here, path, name in found if name not in allowed.get(here, ())
    }
    excepted = {each for each in chain(*EXCEPTIONS.values()) if each.startswith(f"{tree}/")}
    assert wrong - excepted == set()
    assert excepted - wrong == set(), "exceptions that are none any more"


def test_no_arrows_make_a_circle():
    for tree, (arrows, *_) in TREES.items():
        for name, names in what_may_be_imported(arrows).items():
            assert name not in names, tree


@pytest.mark.parametrize("what", ALONE)
def test_what_the_core_leaves_to_one_file(what):
    core = ROOT / "crates/mainspring-core/src"
    naming = [
        file.relative_to(core).as_posix()
        for file in core.rglob("*.rs")
        if re.search(what, code_of_rust(file.read_text("utf-8")))
    ]
    assert naming == ALONE[what]


def test_the_type_of_store_is_behind_one_door():
    naming = [path for path, text in rust_code("src") if re.search(STORES, text)]
    assert naming == ["src/job/store.rs"]


def test_the_timer_thread_never_attaches_to_python():
    attaching = {
        path for path, text in rust_code("src") if re.search(r"\bPython::(try_)?attach\b", text)
    }
    assert attaching == set(ATTACH)


def test_the_dispatch_runs_no_python_code():
    files = dict(rust_code("src/dispatch"))
    assert len(files) > 10
    # A weak reference to the scheduler gives that, by the interpreter's own code.
    files["src/dispatch/hub.rs"] = files["src/dispatch/hub.rs"].replace("weak.bind(py).call0()", "")
    scheduler = (ROOT / "src/py/host/scheduler.rs").read_text("utf-8")
    methods = set(re.findall(r"pub fn (\w+)\(\s*&self", scheduler))
    assert len(methods) > 10
    calls = rf"\.(call\w*|getattr\w*|setattr|import|{'|'.join(methods)})\("
    found = {
        f"{path}: {match[0]}" for path, text in files.items() for match in re.finditer(calls, text)
    }
    assert found == set()
    named = re.findall(r"crate::py::([\w:]+)", "".join(files.values()))
    assert set(named) == {"host::Scheduler"}


def test_where_a_firing_runs_is_decided_in_one_place():
    asking = {path for path, text in rust_code("src") if re.search(r"\bPlacement::of\b", text)}
    assert asking == {"src/dispatch/hub.rs", "src/event_loop/drain.rs"}
    # What it is decided by is read for nothing else.
    telling = {path for path, text in rust_code("src") if re.search(r"\.calls_here\b", text)}
    assert telling == set()


def test_a_field_is_checked_in_one_place():
    kinds = (ROOT / "src/job/kinds.rs").read_text("utf-8")
    # By its kind, that is; `Fields::checked` of that file asks it.
    pattern = r"(?<!\bFields)::checked\("
    checks = {path for path, text in rust_code("src") if re.search(pattern, text)}
    assert checks == {"src/job/table.rs"}
    words = {
        each.strip()
        for text in re.findall(r'"((?:[^"\\\n]|\\.)*)"', code_of_rust(kinds))
        for each in re.split(r"\{[^}]*\}", text)
        if each.count(" ") > 2
    }
    assert len(words) > 4
    elsewhere = {
        f"{path}: {each}"
        for path, text in chain(rust_code("src"), source_files(".py", "python"))
        if path != "src/job/kinds.rs"
        for each in words
        if each in text
    }
    assert elsewhere == set()


@pytest.mark.parametrize("tree", NAME_THE_KIT)
def test_nothing_below_the_testing_kit_names_it(tree):
    naming = {
        file.relative_to(ROOT / tree).as_posix()
        for file in (ROOT / tree).rglob("*")
        if file.suffix in (".py", ".pyi", ".rs") and re.search(KIT, file.read_text("utf-8"))
    }
    assert {path for path in naming if not path.startswith("testing/")} == NAME_THE_KIT[tree]


def test_no_product_code_asks_whether_there_is_a_clock():
    asking = [
        file.name
        for file in (ROOT / "python/mainspring").rglob("*.py")
        if file.parent.name != "testing"
        and re.search(
            r"clock(_of)?(\(.*\))? is (not )?None(?! and clock is not self)", file.read_text()
        )
    ]
    assert asking == []


def source_files(suffix, *folders):
    for folder in folders:
        for path in sorted((ROOT / folder).rglob(f"*{suffix}")):
            yield path.relative_to(ROOT).as_posix(), path.read_text("utf-8")


def rust_code(folder):
    """Return the files of a folder, in order, and their code without comments."""
    return [(path, code_of_rust(text)) for path, text in source_files(".rs", folder)]


def lines_of_python(text):
    """Return the numbers of the lines that have code, a string of several lines being code too."""
    layout = {tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    code, docs = set(), set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in layout | {tokenize.COMMENT}:
            code.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        if isinstance(node, kinds) and ast.get_docstring(node) is not None:
            docs.update(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return code - docs


def lines_of_rust(text):
    return [
        line for line in text.splitlines() if line.strip() and not line.strip().startswith("//")
    ]


def test_no_file_is_too_long():
    lengths = {
        path: len(lines_of_python(text))
        for path, text in source_files(".py", "python", "tests", "benchmarks", "tools", "examples")
    }
    lengths |= {
        path: len(lines_of_rust(text)) for path, text in source_files(".rs", "src", "crates")
    }
    assert len(lengths) > 300
    too_long = {path for path, length in lengths.items() if length > MOST_LINES}
    assert too_long == set(), "split them by idea"


def test_lines_are_counted_as_said():
    python = '''"""A docstring."""

x = """
A string of two lines."""  # and a comment


def f():
    # A comment.
    """Another
    docstring."""
'''
    assert lines_of_python(python) == {3, 4, 7}
    rust = "//! What it is for.\n\nfn f() {\n    // A comment.\n} // and one\n"
    assert lines_of_rust(rust) == ["fn f() {", "} // and one"]


def test_each_module_says_what_it_is_for():
    python = dict(source_files(".py", "python"))
    rust = dict(source_files(".rs", "src", "crates"))
    assert len(python) > 50
    assert len(rust) > 100
    silent = [path for path, text in python.items() if not re.match(r'r?"""\S', text)]
    silent += [path for path, text in rust.items() if not re.match(r"//! \S", text)]
    assert silent == []
