"""Jobs that read a context variable, importable by their names."""

from __future__ import annotations

from contextvars import ContextVar

variable: ContextVar[str] = ContextVar("variable", default="none")


def read() -> str:
    return variable.get()


async def read_in_coroutine() -> str:
    return variable.get()
