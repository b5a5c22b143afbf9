"""``asyncio``, imported when it is first used: its import takes longer than that of all the rest.

For the modules that a scheduler's import needs. Those that derive classes from asyncio's import it
themselves, and are themselves imported late.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__all__ = ["asyncio"]


class _Asyncio:
    def __getattr__(self, name: str) -> Any:
        module = import_module("asyncio")
        # From now on its attributes are found without a call; also those that a program replaces.
        self.__dict__ = module.__dict__
        return getattr(module, name)


if TYPE_CHECKING:
    import asyncio as asyncio
else:
    asyncio = _Asyncio()
