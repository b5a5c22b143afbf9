"""Helpers under APScheduler's names: conversions of times, zones and callables."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from functools import partial
from importlib import import_module
from typing import Any, Final, Literal, NamedTuple, TypeVar, overload
from weakref import WeakKeyDictionary
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from mainspring._lazy import asyncio
from mainspring._mainspring import plain_datetime
from mainspring._zones.local import get_localzone

__all__ = (
    "UTC",
    "asbool",
    "asdate",
    "asint",
    "astimezone",
    "check_callable_args",
    "convert_to_datetime",
    "datetime_ceil",
    "datetime_repr",
    "datetime_to_utc_timestamp",
    "datetime_utc_add",
    "get_callable_name",
    "get_localzone",
    "isasyncgenfunction_partial",
    "iscoroutinefunction_partial",
    "localize",
    "maybe_ref",
    "normalize",
    "obj_to_ref",
    "ref_to_obj",
    "timedelta_seconds",
    "timezone_repr",
    "undefined",
    "utc_timestamp_to_datetime",
)

E = TypeVar("E", bound=BaseException)

UTC: Final = timezone.utc
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)


class _Undefined:
    """The type of :data:`undefined`: false, and not equal to anything else."""

    def __bool__(self) -> Literal[False]:
        return False

    def __repr__(self) -> str:
        return "<undefined>"


#: Says "no value was given" where ``None`` is a value.
undefined: Final = _Undefined()


@overload
def asint(text: None) -> None: ...
@overload
def asint(text: str | int) -> int: ...
def asint(text: str | int | None) -> int | None:
    """Return ``int(text)``, and ``None`` for ``None``.

    :param text: a whole number, or its digits
    :raises ValueError: if the text is not a whole number

    >>> asint("7")
    7
    """
    return None if text is None else int(text)


_BOOLEANS: Final = {
    **dict.fromkeys(("true", "yes", "on", "y", "t", "1"), True),
    **dict.fromkeys(("false", "no", "off", "n", "f", "0"), False),
}


def asbool(obj: object) -> bool:
    """Read ``obj`` as a boolean; a string by the words people write in configuration files.

    :param obj: the string, in any case, or another object, of which the truth counts
    :return: the boolean
    :raises ValueError: if a string is none of true/yes/on/y/t/1 and false/no/off/n/f/0

    >>> asbool(" Off "), asbool(3)
    (False, True)
    """
    if not isinstance(obj, str):
        return bool(obj)
    word = obj.strip().lower()
    try:
        return _BOOLEANS[word]
    except KeyError:
        raise ValueError(f'Unable to interpret value "{word}" as boolean') from None


def _zone_by_key(key: str) -> ZoneInfo:
    try:
        return ZoneInfo(key)
    except (KeyError, ValueError, OSError) as exc:
        # Besides "not found", zoneinfo lets through what the file system says of a directory
        # ("Europe"), an empty key or a path.
        from difflib import get_close_matches

        not_found = ZoneInfoNotFoundError(f"No time zone found with key {key}")
        if near := get_close_matches(key, available_timezones(), 1):
            with_note(not_found, f"did you mean {near[0]}?")
        raise not_found from exc


@overload
def astimezone(obj: None) -> None: ...
@overload
def astimezone(obj: str | tzinfo) -> tzinfo: ...
def astimezone(obj: str | tzinfo | None) -> tzinfo | None:
    """Return the time zone that ``obj`` names or is.

    :param obj: an IANA key such as ``"Europe/Berlin"``, ``"UTC"`` (gives
        :data:`datetime.timezone.utc`), or any :class:`~datetime.tzinfo`. A pytz zone becomes the
        :class:`~zoneinfo.ZoneInfo` of the same key, a pytz fixed offset a
        :class:`~datetime.timezone`.
    :return: the zone, ``None`` for ``None``
    :raises zoneinfo.ZoneInfoNotFoundError: (a :class:`KeyError`) if there is no zone of that name
    :raises ValueError: if the zone only calls itself "local"
    :raises TypeError: if ``obj`` is something else

    >>> astimezone("Europe/Berlin")
    zoneinfo.ZoneInfo(key='Europe/Berlin')
    """
    if obj is None:
        return None
    if isinstance(obj, ZoneInfo):
        return obj
    if isinstance(obj, str):
        return UTC if obj == "UTC" else _zone_by_key(obj)
    if not isinstance(obj, tzinfo):
        raise TypeError(f"Expected tzinfo, got {type(obj).__name__} instead")
    if obj.tzname(None) == "local":
        raise ValueError(
            "Unable to determine the name of the local timezone -- you must explicitly specify the "
            "name of the local timezone. Please refrain from using timezones like EST to prevent "
            "problems with daylight saving time. Instead, use a locale based timezone name (such "
            "as Europe/Helsinki)."
        )
    if hasattr(obj, "zone"):  # pytz
        if obj.zone:
            return _zone_by_key(obj.zone)
        offset = obj.utcoffset(None)
        return obj if offset is None else timezone(offset)
    return obj


@overload
def asdate(obj: None) -> None: ...
@overload
def asdate(obj: date | str) -> date: ...
def asdate(obj: date | str | None) -> date | None:
    """Return the date that an ISO 8601 string (``YYYY-MM-DD``) gives; anything else unchanged.

    :param obj: the string, a date or ``None``
    :raises ValueError: if the string is not such a date
    """
    return date.fromisoformat(obj) if isinstance(obj, str) else obj


def with_note(exc: E, note: str) -> E:
    """Say beneath an exception's message what was given and what is allowed.

    The message stays APScheduler's, which programs compare. Notes (PEP 678) need CPython 3.11.

    :param exc: the exception
    :param note: what to say, in a line of its own
    :return: the exception
    """
    if sys.version_info >= (3, 11):
        exc.add_note(note)
    return exc


#: Compiled when the first text comes.
_DATE_REGEX: Final = (
    r"(\d{4})-(\d{1,2})-(\d{1,2})"
    r"(?:[ T](\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.(\d{1,6}))?"
    r"(?:(Z)|([+-])(\d\d):(\d\d))?)?$"
)


def _parse_datetime(text: str, arg_name: str | None) -> datetime:
    problem = ""
    if match := re.match(_DATE_REGEX, text):
        *civil, fraction, zulu, sign, offset_hours, offset_minutes = match.groups()
        try:
            parsed = datetime(*(int(part or 0) for part in civil))  # type: ignore[arg-type]
            if fraction:
                # The digits after the point are a decimal fraction (ISO 8601-1:2019, 5.3.1.4).
                parsed = parsed.replace(microsecond=int(fraction.ljust(6, "0")))
            if zulu:
                return parsed.replace(tzinfo=UTC)
            if sign:
                offset = timedelta(hours=int(offset_hours), minutes=int(offset_minutes))
                return parsed.replace(tzinfo=timezone(-offset if sign == "-" else offset))
            return parsed
        except ValueError as exc:
            problem = f" ({exc})"
    raise with_note(
        ValueError("Invalid date string"),
        f"{text!r} given for {arg_name}{problem}; expected YYYY-MM-DD or "
        "YYYY-MM-DD HH:MM:SS[.ffffff][Z|+HH:MM|-HH:MM]",
    )


@overload
def convert_to_datetime(input: None, tz: tzinfo | str | None, arg_name: str | None) -> None: ...
@overload
def convert_to_datetime(
    input: date | str, tz: tzinfo | str | None, arg_name: str | None
) -> datetime: ...
def convert_to_datetime(
    input: date | str | None, tz: tzinfo | str | None, arg_name: str | None
) -> datetime | None:
    """Return the aware datetime that ``input`` means.

    :param input: an aware datetime (returned as it is), a naive one or a date (taken as civil
        time in ``tz``; a date is its midnight), or a string ``YYYY-MM-DD`` with optionally
        ``HH:MM:SS``, a fraction and ``Z`` or an offset such as ``+02:00``
    :param tz: the zone of what has none of its own
    :param arg_name: the parameter's name for error messages
    :return: the datetime, ``None`` for ``None``; a time in a gap moves forward by the gap
    :raises ValueError: if the string is no such date, or ``tz`` is needed and ``None``
    :raises TypeError: if ``input`` is of another type

    >>> str(convert_to_datetime("2026-03-29 02:30:00", "Europe/Berlin", "run_date"))
    '2026-03-29 03:30:00+02:00'
    """
    if input is None:
        return None
    if isinstance(input, datetime):
        given = input
    elif isinstance(input, date):
        given = datetime.combine(input, time())
    elif isinstance(input, str):
        given = _parse_datetime(input, arg_name)
    else:
        raise with_note(
            TypeError(f"Unsupported type for {arg_name}: {type(input).__name__}"),
            f"{input!r} given; expected a datetime, a date or a string",
        )

    if plain_datetime(given).tzinfo is not None:
        return given
    if tz is None:
        raise ValueError(
            f'The "tz" argument must be specified if {arg_name} has no timezone information'
        )
    return localize(given, astimezone(tz) if isinstance(tz, str) else tz)


@overload
def datetime_to_utc_timestamp(timeval: None) -> None: ...
@overload
def datetime_to_utc_timestamp(timeval: datetime) -> float: ...
def datetime_to_utc_timestamp(timeval: datetime | None) -> float | None:
    """Return the seconds since the Unix epoch; ``None`` for ``None``.

    :param timeval: the datetime; a naive one counts as UTC

    >>> datetime_to_utc_timestamp(datetime(1970, 1, 1, 0, 0, 1, 500_000))
    1.5
    """
    if timeval is None:
        return None
    timeval = plain_datetime(timeval)
    if timeval.tzinfo is None:
        timeval = timeval.replace(tzinfo=UTC)
    return timedelta_seconds(timeval - _EPOCH)


@overload
def utc_timestamp_to_datetime(timestamp: None) -> None: ...
@overload
def utc_timestamp_to_datetime(timestamp: float) -> datetime: ...
def utc_timestamp_to_datetime(timestamp: float | None) -> datetime | None:
    """Return the datetime in UTC at ``timestamp`` seconds since the Unix epoch; ``None`` for ``None``."""
    return None if timestamp is None else datetime.fromtimestamp(timestamp, UTC)


def timedelta_seconds(delta: timedelta) -> float:
    """Return the length of ``delta`` in seconds."""
    return delta.days * 86_400 + delta.seconds + delta.microseconds / 1_000_000


def datetime_ceil(dateval: datetime) -> datetime:
    """Return the first whole second at or after ``dateval``, in its zone."""
    micros = plain_datetime(dateval).microsecond
    if not micros:
        return dateval
    return datetime_utc_add(dateval, _SECOND - timedelta(microseconds=micros))


def datetime_utc_add(dateval: datetime, tdelta: timedelta) -> datetime:
    """Return the datetime ``tdelta`` of elapsed time after ``dateval``, in the same zone.

    Python's own ``+`` moves the clock on the wall, which is another thing where the zone changes
    its offset in between. A naive datetime has only the clock on the wall.
    """
    dateval = plain_datetime(dateval)
    if dateval.tzinfo is None:
        return dateval + tdelta
    return (dateval.astimezone(UTC) + tdelta).astimezone(dateval.tzinfo)


def datetime_repr(dateval: datetime | None) -> str:
    """Return the datetime to the second with its zone's abbreviation; ``"None"`` for ``None``."""
    return dateval.strftime("%Y-%m-%d %H:%M:%S %Z") if dateval else "None"


def timezone_repr(timezone: tzinfo) -> str:
    """Return the IANA key of a :class:`~zoneinfo.ZoneInfo`, else ``repr(timezone)``."""
    key = timezone.key if isinstance(timezone, ZoneInfo) else None
    return key or repr(timezone)


def get_callable_name(func: Any) -> str:
    """Return the name to show for a callable.

    :raises TypeError: if ``func`` cannot be called

    >>> get_callable_name(dict.fromkeys)
    'dict.fromkeys'
    """
    if inspect.ismethod(func):
        owner = func.__self__
        cls = owner if isinstance(owner, type) else type(owner)
        return f"{cls.__qualname__}.{func.__name__}"
    if isinstance(func, type) or inspect.isfunction(func) or inspect.isbuiltin(func):
        return func.__qualname__
    if callable(func):
        return type(func).__qualname__
    raise TypeError(f"Unable to determine a name for {func!r} -- maybe it is not a callable?")


def obj_to_ref(obj: Any) -> str:
    """Return the text ``module:qualified.name`` by which :func:`ref_to_obj` finds a callable.

    :raises TypeError: if ``obj`` cannot be called
    :raises ValueError: if it is a :func:`functools.partial`, a lambda or defined in a function,
        which no text can find again

    >>> obj_to_ref(timedelta)
    'datetime:timedelta'
    """
    if isinstance(obj, partial):
        raise ValueError("Cannot create a reference to a partial()")
    name = get_callable_name(obj)
    if "<lambda>" in name:
        raise ValueError("Cannot create a reference to a lambda")
    if "<locals>" in name:
        raise ValueError("Cannot create a reference to a nested function")
    module = obj.__self__.__module__ if inspect.ismethod(obj) else obj.__module__
    return f"{module}:{name}"


def ref_to_obj(ref: str) -> Any:
    """Return what the text ``module:qualified.name`` refers to.

    :raises TypeError: if ``ref`` is not a string
    :raises ValueError: if there is no colon in it
    :raises LookupError: if the module cannot be imported or has no such name

    >>> ref_to_obj("datetime:datetime.now")
    <built-in method now of type object at 0x...>
    """
    if not isinstance(ref, str):
        raise with_note(TypeError("References must be strings"), f"{ref!r} given")
    module_name, colon, path = ref.partition(":")
    if not colon:
        raise with_note(ValueError("Invalid reference"), f"{ref!r} given; expected module:name")
    try:
        obj: Any = import_module(module_name)
    except ImportError as exc:
        raise LookupError(f"Error resolving reference {ref}: could not import module") from exc
    try:
        for name in path.split("."):
            obj = getattr(obj, name)
    except Exception as exc:
        raise LookupError(f"Error resolving reference {ref}: error looking up object") from exc
    return obj


def maybe_ref(ref: Any) -> Any:
    """Return what a string refers to (see :func:`ref_to_obj`), and anything else unchanged.

    :param ref: the string, or the object itself
    :raises LookupError: if there is nothing under that reference
    :raises ValueError: if the string is no reference
    """
    return ref_to_obj(ref) if isinstance(ref, str) else ref


class _Shape(NamedTuple):
    """What a call has to fit, worked out once per function."""

    parameters: tuple[tuple[str, inspect._ParameterKind, bool], ...]  # name, kind, required
    fewest: int  # positional arguments a call without keywords needs
    most: int  # and the most it takes
    keyword_required: bool


_POSITIONAL: Final = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
)

# inspect.signature() costs more than all the rest of adding a job. Weak, so that a function that is
# made per job is not kept alive by its shape.
_shapes: WeakKeyDictionary[Callable[..., Any], _Shape] = WeakKeyDictionary()
_method_shapes: WeakKeyDictionary[Callable[..., Any], _Shape] = WeakKeyDictionary()


def _shape_of(func: Callable[..., Any]) -> _Shape:
    if inspect.isfunction(func):
        cache, key = _shapes, func
    elif inspect.ismethod(func) and inspect.isfunction(func.__func__):
        # A bound method is made anew on each access; its function stays.
        cache, key = _method_shapes, func.__func__
    else:
        return _make_shape(func)
    shape = cache.get(key)
    if shape is None:
        shape = cache[key] = _make_shape(func)
    return shape


def _make_shape(func: Callable[..., Any]) -> _Shape:
    parameters = inspect.signature(func, follow_wrapped=False).parameters.values()
    positional = [p for p in parameters if p.kind in _POSITIONAL]
    unbounded = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    return _Shape(
        tuple((p.name, p.kind, p.default is p.empty) for p in parameters),
        sum(p.default is p.empty for p in positional),
        sys.maxsize if unbounded else len(positional),
        any(p.kind is p.KEYWORD_ONLY and p.default is p.empty for p in parameters),
    )


def check_callable_args(
    func: Callable[..., Any], args: Iterable[Any], kwargs: Mapping[str, Any]
) -> None:
    """Check that ``func(*args, **kwargs)`` fits the signature of ``func``, without calling it.

    What a function takes is looked up once and remembered as long as the function lives. A callable
    that does not tell its signature passes.

    :param func: the callable
    :param args: positional arguments
    :param kwargs: keyword arguments
    :raises ValueError: naming the arguments that are missing, too many, given twice or unknown
    :raises TypeError: if ``func`` cannot be called

    >>> check_callable_args(lambda a, b=1: None, (), {"b": 2})
    Traceback (most recent call last):
    ValueError: The following arguments have not been supplied: a
    """
    try:
        shape = _shape_of(func)
    except ValueError:
        return
    except TypeError:
        # CPython 3.10 cannot tell what an AsyncMock takes.
        if callable(func):
            return
        raise

    given = len(tuple(args))
    if not kwargs and not shape.keyword_required and shape.fewest <= given <= shape.most:
        return
    _explain_misfit(shape, given, list(kwargs))


def _explain_misfit(shape: _Shape, given: int, keywords: list[str]) -> None:
    kinds = inspect._ParameterKind
    twice: list[str] = []
    not_by_keyword: list[str] = []
    missing: list[str] = []
    missing_keywords: list[str] = []
    left = given
    takes_any_keyword = takes_any_positional = False

    for name, kind, required in shape.parameters:
        if kind is kinds.VAR_POSITIONAL:
            takes_any_positional = True
        elif kind is kinds.VAR_KEYWORD:
            takes_any_keyword = True
        elif kind is kinds.KEYWORD_ONLY:
            if name in keywords:
                keywords.remove(name)
            elif required:
                missing_keywords.append(name)
        elif left and kind is kinds.POSITIONAL_OR_KEYWORD and name in keywords:
            twice.append(name)
        elif left:
            left -= 1
        elif name in keywords:
            keywords.remove(name)
            if kind is kinds.POSITIONAL_ONLY:
                not_by_keyword.append(name)
        elif required:
            missing.append(name)

    for names, problem in (
        (twice, "The following arguments are supplied in both args and kwargs"),
        (not_by_keyword, "The following arguments cannot be given as keyword arguments"),
        (missing, "The following arguments have not been supplied"),
        (
            missing_keywords,
            "The following keyword-only arguments have not been supplied in kwargs",
        ),
    ):
        if names:
            raise ValueError(f"{problem}: {', '.join(names)}")
    if left and not takes_any_positional:
        raise ValueError(
            "The list of positional arguments is longer than the target callable can handle "
            f"(allowed: {given - left}, given in args: {given})"
        )
    if keywords and not takes_any_keyword:
        raise ValueError(
            "The target callable does not accept the following keyword arguments: "
            + ", ".join(keywords)
        )


def iscoroutinefunction(f: Any) -> bool:
    """Return whether ``f`` is a coroutine function, or bears the mark of one."""
    # asyncio knows its own mark too, which inspect does not before 3.12; since 3.14 it refers to inspect.
    if sys.version_info >= (3, 14):
        return inspect.iscoroutinefunction(f)
    return asyncio.iscoroutinefunction(f)


def iscoroutinefunction_partial(f: Any) -> bool:
    """Return whether ``f``, or what a :func:`functools.partial` wraps, is a coroutine function.

    One that :func:`tornado.gen.coroutine` has made counts as such.
    """
    while isinstance(f, partial):
        f = f.func
    return iscoroutinefunction(f) or getattr(f, "__tornado_coroutine__", False) is True


def isasyncgenfunction_partial(f: Any) -> bool:
    """Return whether ``f`` is an async generator function, bare or behind a partial or ``__call__``."""
    while isinstance(f, partial):
        f = f.func
    return inspect.isasyncgenfunction(f) or inspect.isasyncgenfunction(
        getattr(type(f), "__call__", None)  # noqa: B004 - the method is asked for, not whether
    )


def normalize(dt: datetime) -> datetime:
    """Return the instant of ``dt`` as the clocks of its zone show it; a naive one counts as local time.

    A civil time in a gap moves forward by the length of the gap (PEP 495).

    >>> str(normalize(datetime(2026, 3, 29, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"))))
    '2026-03-29 03:30:00+02:00'
    """
    dt = plain_datetime(dt)
    if dt.tzinfo is None:
        return datetime.fromtimestamp(dt.timestamp())
    return dt.astimezone(UTC).astimezone(dt.tzinfo)


def localize(dt: datetime, tzinfo: tzinfo) -> datetime:
    """Return the naive ``dt`` as civil time in ``tzinfo``, normalized.

    >>> str(localize(datetime(2026, 7, 1, 12), ZoneInfo("Asia/Kolkata")))
    '2026-07-01 12:00:00+05:30'
    """
    dt = plain_datetime(dt)
    if hasattr(tzinfo, "localize"):  # pytz
        localized: datetime = tzinfo.localize(dt)
        return localized
    return normalize(dt.replace(tzinfo=tzinfo))
