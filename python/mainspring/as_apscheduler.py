"""An alias: a program that imports ``apscheduler`` gets mainspring, unchanged.

In a program, before anything imports APScheduler::

    import mainspring
    mainspring.install_as_apscheduler()

or around a whole program, which is run as if by ``python program.py`` or ``python -m program``::

    python -m mainspring.as_apscheduler program.py [argument ...]
    python -m mainspring.as_apscheduler -m program [argument ...]

It lives in the process alone: nothing is written to disk, and an installed APScheduler stays as it is.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterable, Sequence
from email.message import EmailMessage
from importlib import import_module, invalidate_caches
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from importlib.metadata import Distribution, DistributionFinder
from types import CodeType, ModuleType
from typing import Any

from mainspring import _logs
from mainspring._mainspring import __version__

__all__ = ("COMPATIBLE_VERSION", "install_as_apscheduler")

#: The version of APScheduler whose interface mainspring has; what the alias gives as its own.
COMPATIBLE_VERSION = "3.11.3"

_ALIAS = "apscheduler"
_OURS = "mainspring"
#: Tells child processes that :mod:`multiprocessing` spawns what their main module is.
_MAIN_VARIABLE = "_MAINSPRING_AS_APSCHEDULER_MAIN"


def install_as_apscheduler() -> None:
    """Have ``import apscheduler``, and every module path below it, lead to mainspring.

    That goes for packages that import it later too, and ``importlib.metadata`` gives the version of
    APScheduler that mainspring stands in for. Loggers get APScheduler's names. Without effect when
    it has been called before.

    :raises RuntimeError: if the real APScheduler has been imported

    >>> import mainspring
    >>> mainspring.install_as_apscheduler()
    >>> from apscheduler.schedulers.asyncio import AsyncIOScheduler
    >>> AsyncIOScheduler is mainspring.AsyncIOScheduler
    True
    """
    if any(isinstance(finder, _Finder) for finder in sys.meta_path):
        return
    real = sys.modules.get(_ALIAS)
    if real is not None:
        raise RuntimeError(
            f"APScheduler has already been imported from {getattr(real, '__file__', None)}; call "
            "mainspring.install_as_apscheduler() before anything imports it"
        )
    sys.meta_path.insert(0, _Finder())
    invalidate_caches()
    _logs.use_prefix(_ALIAS)


def version_shown() -> str:
    """Return the version of the library under whose name mainspring is imported."""
    return COMPATIBLE_VERSION if _logs.prefix == _ALIAS else __version__


class _Finder(DistributionFinder):
    """Finds mainspring's modules under APScheduler's names."""

    @staticmethod
    def find_spec(
        fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == _ALIAS:
            return ModuleSpec(fullname, _RootLoader(), is_package=True)
        package, _, name = fullname.partition(".")
        if package != _ALIAS or any(part.startswith("_") for part in name.split(".")):
            return None
        ours = importlib.util.find_spec(f"{_OURS}.{name}")
        if ours is None:
            return None
        is_package = ours.submodule_search_locations is not None
        return ModuleSpec(fullname, _Loader(ours.name), is_package=is_package)

    def find_distributions(
        self,
        context: DistributionFinder.Context = DistributionFinder.Context(),  # noqa: B008
    ) -> Iterable[Distribution]:
        return [_Distribution()] if (context.name or _ALIAS).lower() == _ALIAS else []


class _Loader(Loader):
    """Loads one of mainspring's modules, which stays what it is and gets a second name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        self._module = import_module(self._name)
        self._own = {
            name: value
            for name, value in vars(self._module).items()
            if name in ("__spec__", "__loader__", "__package__", "__path__")
        }
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has just given it the attributes of the other name.
        vars(module).update(self._own)


class _RootLoader(Loader):
    """Makes the top-level package, which has APScheduler's version and not mainspring's."""

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        module.__doc__ = f"mainspring {__version__} in APScheduler's place."
        module.__path__ = []
        # Some look for a package's files beside it, and these are where APScheduler's would be.
        module.__file__ = import_module(_OURS).__file__
        vars(module).update(
            __version__=COMPATIBLE_VERSION,
            version=COMPATIBLE_VERSION,
            release=COMPATIBLE_VERSION,
            version_info=tuple(map(int, COMPATIBLE_VERSION.split("."))),
            __getattr__=_import_submodule,
        )


def _import_submodule(name: str) -> ModuleType:
    """Import and return a module of the alias, of which the program has taken the import for granted.

    Programs take what APScheduler's modules import of each other for granted, as
    ``apscheduler.jobstores.memory`` after an import of a scheduler.
    """
    if not name.startswith("_") and importlib.util.find_spec(f"{_ALIAS}.{name}"):
        return import_module(f"{_ALIAS}.{name}")
    raise AttributeError(f"module {_ALIAS!r} has no attribute {name!r}")


class _Distribution(Distribution):
    """What ``importlib.metadata`` says of APScheduler."""

    def read_text(self, filename: str) -> str | None:
        if filename != "METADATA":
            return None
        message = EmailMessage()
        message["Metadata-Version"] = "2.1"
        message["Name"] = "APScheduler"
        message["Version"] = COMPATIBLE_VERSION
        message["Summary"] = f"Provided by {_OURS} {__version__}"
        return str(message)

    def locate_file(self, path: str | os.PathLike[str]) -> Any:
        from pathlib import Path

        return Path(__file__).parent / path


# Running a program


def _code_of(main: str) -> tuple[CodeType, dict[str, Any]]:
    """Return the code of a script, or after ``-m`` of a module, and the globals it begins with."""
    if main.startswith("-m "):
        name = main[3:]
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            spec = importlib.util.find_spec(f"{name}.__main__")
        code = getattr(spec and spec.loader, "get_code", lambda name: None)(spec and spec.name)
        if spec is None or code is None:
            raise SystemExit(f"{sys.executable}: No module named {name} that can be run")
        return code, {"__file__": spec.origin, "__package__": spec.parent}
    try:
        with open(main, "rb") as file:
            source = file.read()
    except OSError as exc:
        raise SystemExit(f"{sys.executable}: can't open file {main!r}: {exc.strerror}") from None
    return compile(source, main, "exec"), {"__file__": main, "__package__": None}


def _run(arguments: list[str]) -> None:
    """Run a program as the main module, under the alias."""
    if arguments[:1] == ["-m"] and len(arguments) > 1:
        main, rest = f"-m {arguments[1]}", arguments[2:]
        sys.path[0] = os.getcwd()
    elif arguments and not arguments[0].startswith("-"):
        main, rest = arguments[0], arguments[1:]
        sys.path[0] = os.path.dirname(os.path.abspath(main))
    else:
        raise SystemExit(__doc__)
    install_as_apscheduler()
    code, namespace = _code_of(main)
    sys.argv[:] = [namespace["__file__"], *rest]
    os.environ[_MAIN_VARIABLE] = main if main.startswith("-m ") else os.path.abspath(main)
    module = ModuleType("__main__")
    # By this name a child process that is spawned finds the module below, and not the program, to
    # which there is no alias yet.
    spec = ModuleSpec(f"{_OURS}.as_apscheduler", None, origin=namespace["__file__"])
    vars(module).update(namespace, __spec__=spec)
    sys.modules["__main__"] = module
    exec(code, vars(module))


def _run_in_child(namespace: dict[str, Any]) -> None:
    """Run a program in these globals, as the main module of a child process."""
    install_as_apscheduler()
    code, attributes = _code_of(os.environ[_MAIN_VARIABLE])
    namespace.update(attributes)
    exec(code, namespace)


# Under both names this is a second copy of the module, which leaves the work to the first.
if __name__ == "__main__":
    from mainspring.as_apscheduler import _run as _run_program

    _run_program(sys.argv[1:])
elif __name__ == "__mp_main__":
    from mainspring.as_apscheduler import _run_in_child as _run_main_module

    _run_main_module(globals())
