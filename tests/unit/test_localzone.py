"""The machine's time zone is found without a dependency."""

from __future__ import annotations

from datetime import timezone
from pathlib import Path
from zoneinfo import TZPATH, ZoneInfo

import pytest

from mainspring._zones import local as _localzone
from mainspring._zones.windows import IANA_KEYS
from mainspring.util import get_localzone


@pytest.fixture(autouse=True)
def forget():
    _localzone._find.cache_clear()
    yield
    _localzone._find.cache_clear()


def zone_file(key: str) -> Path:
    for root in TZPATH:
        if (path := Path(root, key)).exists():
            return path
    pytest.skip("this machine has no zone files")


@pytest.mark.parametrize("tz", ["Asia/Kolkata", ":Asia/Kolkata"])
def test_tz_names_a_zone(monkeypatch, tz):
    monkeypatch.setenv("TZ", tz)
    assert get_localzone() is ZoneInfo("Asia/Kolkata")
    assert get_localzone() is get_localzone()


def test_tz_changes(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    assert str(get_localzone()) == "Asia/Kolkata"
    monkeypatch.setenv("TZ", "Europe/Berlin")
    assert str(get_localzone()) == "Europe/Berlin"


def test_tz_is_a_path(monkeypatch, tmp_path):
    path = zone_file("Asia/Kolkata")
    monkeypatch.setenv("TZ", str(path))
    assert get_localzone() is ZoneInfo("Asia/Kolkata")
    copy = tmp_path / "mine"
    copy.write_bytes(path.read_bytes())
    monkeypatch.setenv("TZ", f":{copy}")
    assert str(get_localzone()) == "local"


def test_an_empty_tz_is_utc(monkeypatch):
    monkeypatch.setenv("TZ", "")
    assert get_localzone() is timezone.utc


def test_a_tz_without_a_zone_gives_an_offset_and_a_warning(monkeypatch):
    monkeypatch.setenv("TZ", "XYZ+3:17")
    with pytest.warns(UserWarning, match=r"no name \(TZ='XYZ\+3:17'.*without daylight saving"):
        assert isinstance(get_localzone(), timezone)


def etc(root: Path) -> Path:
    (root / "etc").mkdir()
    return root / "etc"


@pytest.mark.parametrize(
    "target",
    [
        "/usr/share/zoneinfo/America/St_Johns",
        "/var/db/timezone/zoneinfo/America/St_Johns",
        "../usr/share/zoneinfo/posix/America/St_Johns",
    ],
)
def test_the_link_names_it(tmp_path, target):
    (etc(tmp_path) / "localtime").symlink_to(target)
    (tmp_path / "etc/timezone").write_text("Europe/Berlin\n")
    assert _localzone._find(None, str(tmp_path)) is ZoneInfo("America/St_Johns")


def test_the_name_in_a_file(tmp_path):
    (etc(tmp_path) / "timezone").write_text("Europe/Berlin # home\n")
    assert _localzone._find(None, str(tmp_path)) is ZoneInfo("Europe/Berlin")


def test_a_copy_has_rules_but_no_name(tmp_path):
    (etc(tmp_path) / "localtime").write_bytes(zone_file("Europe/Berlin").read_bytes())
    assert str(_localzone._find(None, str(tmp_path))) == "local"


def test_nothing_names_it(tmp_path):
    with pytest.warns(UserWarning, match="nothing on this machine names it"):
        assert isinstance(_localzone._find(None, str(tmp_path)), timezone)


def test_the_zones_of_windows_exist():
    for key in IANA_KEYS.values():
        assert ZoneInfo(key).key == key
