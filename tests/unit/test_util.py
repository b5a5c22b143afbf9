"""mainspring.util: the conversions, by their contract."""

from __future__ import annotations

import gc
import re
import sys
import weakref
from datetime import date, datetime, timedelta, timezone, tzinfo
from functools import partial
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import dateutil.tz
import pytest
import pytz

from mainspring import util

UTC = timezone.utc
BERLIN = ZoneInfo("Europe/Berlin")


def function(a, b=1, *args, c, d=2, **kwargs):
    pass


class Class:
    def method(self, a, b=1):
        pass

    @classmethod
    def class_method(cls, a):
        pass

    @staticmethod
    def static_method(a):
        pass

    def __call__(self, a):
        pass

    class Inner:
        def method(self):
            pass


@pytest.mark.parametrize("text", ["true", "YES", " on ", "y", "t", "1", True, 7, [0]])
def test_asbool_true(text):
    assert util.asbool(text) is True


@pytest.mark.parametrize("text", ["false", "No", " off", "n", "F", "0", False, 0, []])
def test_asbool_false(text):
    assert util.asbool(text) is False


def test_asbool_says_what_it_cannot_read():
    with pytest.raises(ValueError, match=r'^Unable to interpret value "maybe" as boolean$'):
        util.asbool("maybe")


def test_asint():
    assert util.asint(None) is None
    assert util.asint("12") == 12
    with pytest.raises(ValueError, match="invalid literal"):
        util.asint("twelve")


def test_undefined_is_false():
    assert not util.undefined
    assert repr(util.undefined) == "<undefined>"


# --- zones ---


@pytest.mark.parametrize(
    ("given", "zone"),
    [
        (None, None),
        ("UTC", UTC),
        ("Europe/Berlin", BERLIN),
        (BERLIN, BERLIN),
        (UTC, UTC),
        (pytz.timezone("Europe/Berlin"), BERLIN),
        (pytz.utc, ZoneInfo("UTC")),
        # DIFFERENCE: 3.x reads an attribute that pytz no longer has.
        (pytz.FixedOffset(90), timezone(timedelta(minutes=90))),
    ],
)
def test_astimezone(given, zone):
    assert util.astimezone(given) == zone


def test_a_zone_of_dateutil_passes_through():
    zone = dateutil.tz.gettz("Europe/Berlin")
    assert util.astimezone(zone) is zone


@pytest.mark.parametrize(
    "key", ["Europe/Berln", "", "Europe", "../../etc/passwd", "/etc/localtime"]
)
def test_an_unknown_zone_is_named(key):
    with pytest.raises(ZoneInfoNotFoundError) as caught:
        util.astimezone(key)
    assert isinstance(caught.value, KeyError)
    assert f"No time zone found with key {key}" in str(caught.value)


def test_an_unknown_zone_has_a_near_one():
    with pytest.raises(ZoneInfoNotFoundError) as caught:
        util.astimezone("Europe/Berln")
    assert caught.value.args == ("No time zone found with key Europe/Berln",)
    if sys.version_info >= (3, 11):
        assert caught.value.__notes__ == ["did you mean Europe/Berlin?"]


def test_a_number_is_no_zone():
    with pytest.raises(TypeError, match=r"^Expected tzinfo, got int instead$"):
        util.astimezone(4)


def test_a_zone_that_only_says_local_is_refused():
    class Local(tzinfo):
        def tzname(self, dt):
            return "local"

    with pytest.raises(ValueError, match="Unable to determine the name of the local timezone"):
        util.astimezone(Local())


# --- datetimes ---


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, None),
        (date(2009, 8, 1), datetime(2009, 8, 1)),
        (datetime(2009, 8, 1, 5, 6, 12), datetime(2009, 8, 1, 5, 6, 12)),
        ("2009-8-1", datetime(2009, 8, 1)),
        ("2009-8-1 5:16:12", datetime(2009, 8, 1, 5, 16, 12)),
        ("2009-08-01T05:16:12.843821", datetime(2009, 8, 1, 5, 16, 12, 843821)),
        # DIFFERENCE: 3.x takes the digits after the point for microseconds.
        ("2009-08-01 05:16:12.5", datetime(2009, 8, 1, 5, 16, 12, 500_000)),
        ("2009-08-01 05:16:12Z", datetime(2009, 8, 1, 5, 16, 12, tzinfo=UTC)),
        (
            "2009-08-01 05:16:12-02:30",
            datetime(2009, 8, 1, 5, 16, 12, tzinfo=timezone(-timedelta(hours=2, minutes=30))),
        ),
        (
            "2009-08-01 05:16:12+05:45",
            datetime(2009, 8, 1, 5, 16, 12, tzinfo=timezone(timedelta(hours=5, minutes=45))),
        ),
    ],
)
def test_convert_to_datetime(given, expected):
    if expected is not None and expected.tzinfo is None:
        expected = expected.replace(tzinfo=BERLIN)
    found = util.convert_to_datetime(given, BERLIN, "start_date")
    assert found == expected
    assert found is None or found.tzinfo == expected.tzinfo


def test_an_aware_datetime_is_returned_itself():
    given = datetime(2009, 8, 1, tzinfo=UTC)
    assert util.convert_to_datetime(given, BERLIN, "start_date") is given


def test_the_zone_may_be_a_name():
    assert util.convert_to_datetime("2020-06-01", "Asia/Kolkata", None).tzname() == "IST"


def test_a_time_in_a_gap_moves_forward():
    found = util.convert_to_datetime("2020-03-29 02:30:00", BERLIN, None)
    assert str(found) == "2020-03-29 03:30:00+02:00"


def test_a_pytz_zone_localizes():
    found = util.convert_to_datetime(datetime(2020, 7, 1), pytz.timezone("Europe/Berlin"), None)
    assert str(found) == "2020-07-01 00:00:00+02:00"


@pytest.mark.parametrize("text", ["19700-12-1", "2009-08-01 05:16", "today", "2009-02-30", ""])
def test_a_bad_date_string_is_shown(text):
    with pytest.raises(ValueError, match=r"^Invalid date string") as caught:
        util.convert_to_datetime(text, UTC, "end_date")
    assert str(caught.value) == "Invalid date string"
    if sys.version_info >= (3, 11):
        (note,) = caught.value.__notes__
        assert note.startswith(f"{text!r} given for end_date")


def test_bad_dates():
    with pytest.raises(TypeError, match="Unsupported type for end_date: int"):
        util.convert_to_datetime(92123, UTC, "end_date")
    with pytest.raises(
        ValueError, match='The "tz" argument must be specified if end_date has no timezone'
    ):
        util.convert_to_datetime(datetime(2020, 1, 1), None, "end_date")


def test_timestamps():
    at = datetime(2020, 1, 1, 12, 0, 0, 250_000, tzinfo=BERLIN)
    assert util.datetime_to_utc_timestamp(at) == at.timestamp()
    assert util.datetime_to_utc_timestamp(datetime(1970, 1, 2)) == 86_400
    assert util.utc_timestamp_to_datetime(at.timestamp()) == at
    assert util.datetime_to_utc_timestamp(None) is None
    assert util.utc_timestamp_to_datetime(None) is None
    assert util.timedelta_seconds(timedelta(minutes=2, seconds=30, microseconds=500_000)) == 150.5


def test_ceil_crosses_a_change():
    whole = datetime(2020, 3, 29, 1, 59, 59, tzinfo=BERLIN)
    assert util.datetime_ceil(whole) is whole
    assert str(util.datetime_ceil(whole.replace(microsecond=1))) == "2020-03-29 03:00:00+02:00"
    assert util.datetime_ceil(datetime(2020, 1, 1, 0, 0, 0, 1)) == datetime(2020, 1, 1, 0, 0, 1)


def test_utc_add_is_elapsed_time():
    before = datetime(2020, 10, 25, 2, 30, tzinfo=BERLIN)
    after = util.datetime_utc_add(before, timedelta(hours=1))
    assert str(after) == "2020-10-25 02:30:00+01:00"
    assert after.fold == 1


def test_normalize_keeps_naive_times_naive():
    assert util.normalize(datetime(2020, 6, 1)) == datetime(2020, 6, 1)
    assert util.normalize(datetime(2020, 6, 1, tzinfo=BERLIN)) == datetime(
        2020, 6, 1, tzinfo=BERLIN
    )


def test_reprs():
    assert util.datetime_repr(datetime(2020, 6, 1, tzinfo=BERLIN)) == "2020-06-01 00:00:00 CEST"
    assert util.datetime_repr(None) == "None"
    assert util.timezone_repr(BERLIN) == "Europe/Berlin"
    assert util.timezone_repr(UTC) == "datetime.timezone.utc"


def test_asdate():
    assert util.asdate("2020-02-29") == date(2020, 2, 29)
    assert util.asdate(None) is None


# --- callables ---


@pytest.mark.parametrize(
    ("func", "name"),
    [
        (function, "function"),
        (len, "len"),
        (Class, "Class"),
        (Class().method, "Class.method"),
        (Class.class_method, "Class.class_method"),
        (Class.static_method, "Class.static_method"),
        (Class.Inner().method, "Class.Inner.method"),
        (Class(), "Class"),
        (partial(len), "partial"),
    ],
)
def test_callable_names(func, name):
    assert util.get_callable_name(func) == name


def test_what_has_no_name():
    with pytest.raises(TypeError, match="Unable to determine a name for 4"):
        util.get_callable_name(4)


@pytest.mark.parametrize(
    "obj", [function, Class, Class.class_method, Class.static_method, Class.Inner]
)
def test_references_lead_back(obj):
    assert util.ref_to_obj(util.obj_to_ref(obj)) == obj


def test_no_reference():
    with pytest.raises(ValueError, match=r"^Cannot create a reference to a partial\(\)$"):
        util.obj_to_ref(partial(function))
    with pytest.raises(ValueError, match=r"^Cannot create a reference to a lambda$"):
        util.obj_to_ref(lambda: None)

    def nested():
        pass

    with pytest.raises(ValueError, match=r"^Cannot create a reference to a nested function$"):
        util.obj_to_ref(nested)


@pytest.mark.parametrize(
    ("ref", "error", "message"),
    [
        (object(), TypeError, "References must be strings"),
        ("module", ValueError, "Invalid reference"),
        ("no.such:thing", LookupError, "Error resolving reference no.such:thing: could not import"),
        (
            "datetime:nothing",
            LookupError,
            "Error resolving reference datetime:nothing: error looki",
        ),
    ],
)
def test_bad_references(ref, error, message):
    with pytest.raises(error, match=message):
        util.ref_to_obj(ref)


def test_maybe_ref():
    assert util.maybe_ref("datetime:datetime.now") == datetime.now
    assert util.maybe_ref(datetime) is datetime


@pytest.mark.parametrize(
    ("func", "args", "kwargs"),
    [
        (function, (1,), {"c": 3}),
        (function, (1, 2, 3, 4), {"c": 3, "e": 5}),
        (lambda: None, (), {}),
        (lambda a, /, b: None, (1,), {"b": 2}),
        (lambda a, /, **k: None, (1,), {"a": 2}),
        (Class().method, (1,), {}),
        (Class().method, (1,), {"b": 3}),
        (Class(), (1,), {}),
        (partial(function, 1, c=2), (), {}),
        (min, (1, 2, 3), {"whatever": 4}),
        (dict.fromkeys, ([], 1), {}),
    ],
)
def test_arguments_that_fit(func, args, kwargs):
    for _ in range(2):
        util.check_callable_args(func, args, kwargs)


@pytest.mark.parametrize(
    ("func", "args", "kwargs", "message"),
    [
        (function, (), {"c": 1}, "The following arguments have not been supplied: a"),
        (
            function,
            (1,),
            {},
            "The following keyword-only arguments have not been supplied in kwargs: c",
        ),
        (
            lambda a, b: None,
            (1, 2),
            {"a": 1, "b": 2},
            "The following arguments are supplied in both args and kwargs: a, b",
        ),
        (
            lambda a, b, /: None,
            (),
            {"a": 1, "b": 2},
            "The following arguments cannot be given as keyword arguments: a, b",
        ),
        (
            lambda a: None,
            (1, 2, 3),
            {},
            "The list of positional arguments is longer than the target callable can handle "
            "(allowed: 1, given in args: 3)",
        ),
        (
            lambda a: None,
            (1,),
            {"x": 1, "y": 2},
            "The target callable does not accept the following keyword arguments: x, y",
        ),
        (Class().method, (), {}, "The following arguments have not been supplied: a"),
    ],
)
def test_arguments_that_do_not_fit(func, args, kwargs, message):
    for _ in range(2):
        with pytest.raises(ValueError, match="^" + re.escape(message) + "$"):
            util.check_callable_args(func, args, kwargs)


def test_a_method_and_its_function_are_told_apart():
    util.check_callable_args(Class.method, (Class(), 1), {})
    util.check_callable_args(Class().method, (1,), {})
    with pytest.raises(ValueError, match="have not been supplied: a"):
        util.check_callable_args(Class.method, (1,), {})


def test_checking_does_not_keep_a_function_alive():
    def make():
        return lambda a: None

    func = make()
    util.check_callable_args(func, (1,), {})
    ref = weakref.ref(func)
    del func
    gc.collect()
    assert ref() is None


def test_coroutine_functions():
    async def coroutine():
        pass

    assert util.iscoroutinefunction_partial(coroutine)
    assert util.iscoroutinefunction_partial(partial(partial(coroutine)))
    assert not util.iscoroutinefunction_partial(partial(function))
