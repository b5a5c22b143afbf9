"""Finds the time zone of the machine, without a dependency.

What counts, the first that tells:

1. the environment variable ``TZ`` (POSIX.1-2017, 8.3): an IANA key, with or without the leading
   colon, or the path of a zone file;
2. on Windows, the zone named in the registry, by the CLDR table in :mod:`mainspring._zones.windows`;
3. the symbolic link ``/etc/localtime`` (localtime(5)), which is what the C library obeys; on macOS
   it points below ``/var/db/timezone/zoneinfo``;
4. ``/etc/timezone`` (Debian);
5. the contents of ``/etc/localtime`` where it is a copy without a name;
6. the offset that the C library applies now, with a warning, for it knows no daylight saving time.
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Iterable, Iterator
from datetime import timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo


def get_localzone() -> tzinfo:
    """Return the machine's time zone.

    Found once per value of the environment variable ``TZ`` and then remembered: a change of
    ``/etc/localtime`` needs a new process.

    :return: a :class:`~zoneinfo.ZoneInfo`, or, with a :class:`UserWarning`, a fixed offset where
        nothing names the zone

    >>> os.environ["TZ"] = "Europe/Berlin"
    >>> get_localzone()
    zoneinfo.ZoneInfo(key='Europe/Berlin')
    """
    return _find(os.environ.get("TZ"))


@lru_cache(maxsize=8)
def _find(tz: str | None, root: str = "/") -> tzinfo:
    if tz is not None:
        return _from_environment(tz) or _fixed(f"TZ={tz!r} names no zone of the database")
    if sys.platform == "win32":
        from mainspring._zones.windows import local_keys

        keys: Iterable[str] = local_keys()
    else:
        keys = _unix_keys(root)
    for key in keys:
        if zone := _named(key):
            return zone
    return _from_file(os.path.join(root, "etc/localtime")) or _fixed(
        "nothing on this machine names it"
    )


def _from_environment(tz: str) -> tzinfo | None:
    tz = tz.removeprefix(":")
    if not tz:
        return timezone.utc  # what the C library takes an empty TZ for
    if not os.path.isabs(tz):
        return _named(tz)
    return _named(_key_of_path(tz)) or _from_file(tz)


def _unix_keys(root: str) -> Iterator[str]:
    link = os.path.join(root, "etc/localtime")
    if os.path.islink(link):
        # The name as it was given, then, where that is a further link, the name behind it.
        yield _key_of_path(os.readlink(link))
        yield _key_of_path(os.path.realpath(link))
    try:
        with open(os.path.join(root, "etc/timezone"), encoding="ascii") as file:
            name = file.read()
        yield name.partition("#")[0].strip()
    except (OSError, UnicodeDecodeError):
        pass


def _key_of_path(path: str) -> str:
    key = path.rpartition("zoneinfo/")[2]
    return key.removeprefix("posix/").removeprefix("right/")


def _named(key: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(key)
    except (KeyError, ValueError, OSError):
        return None


def _from_file(path: str) -> ZoneInfo | None:
    try:
        with open(path, "rb") as file:
            return ZoneInfo.from_file(file, key="local")
    except (ValueError, OSError):
        return None


def _fixed(why: str) -> timezone:
    offset = timezone(timedelta(seconds=time.localtime().tm_gmtoff))
    warnings.warn(
        f"The local time zone has no name ({why}); its present offset {offset} is used, without "
        'daylight saving time. Give a timezone, or set TZ to a name such as "Europe/Berlin".',
        stacklevel=4,
    )
    return offset
