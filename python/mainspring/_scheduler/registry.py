"""The rules by which a scheduler has executors and job stores under aliases.

What a scheduler has is a plain dictionary: programs put one of their own in its place, as with APScheduler.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Registry(Generic[T]):
    """What may be added to a scheduler under an alias.

    :param kind: what it is, for messages
    :param article: the article of that
    :param base: the class of which all are instances
    """

    def __init__(self, kind: str, article: str, base: type[T]) -> None:
        self.kind = kind
        self._one = f"{article} {kind}"
        self.base = base

    def add(self, known: dict[str, T], given: T | str, alias: str, create: Callable[[str], T]) -> T:
        """Add an instance, or what ``create`` makes of the alias of a plugin, to ``known``, and return it.

        :raises ValueError: if there is one under this alias
        :raises TypeError: if ``given`` is something else
        """
        if alias in known:
            raise ValueError(f'This scheduler already has {self._one} by the alias of "{alias}"')
        if isinstance(given, self.base):
            added = given
        elif isinstance(given, str):
            added = create(given)
        else:
            raise TypeError(
                f"Expected {self._one} instance or a string, got {type(given).__name__} instead"
            )
        known[alias] = added
        return added

    def lookup(self, known: dict[str, T], alias: str) -> T:
        """Return what is under an alias; KeyError if there is nothing."""
        try:
            return known[alias]
        except KeyError:
            raise KeyError(f"No such {self.kind}: {alias}") from None
