"""Durations and dates as schedulers print them, read into seconds."""

from __future__ import annotations

import calendar
import re
import time

_DURATION = re.compile(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?(?::(\d+))?\Z")
_CTIME = re.compile(
    r"\w{3} (?P<month>\w{3}) +(?P<day>\d+) (?P<h>\d\d):(?P<m>\d\d):(?P<s>\d\d) (?P<year>\d{4})"
    r"(?: (?P<sign>[+-])(?P<oh>\d\d)(?P<om>\d\d))?"
)
_MONTH_AND_MINUTE = re.compile(r"(?P<month>\w{3}) +(?P<day>\d+) (?P<h>\d\d):(?P<m>\d\d)")
_ISO = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)\Z")
_MONTHS = {name: number for number, name in enumerate(calendar.month_abbr) if name}
_SECONDS_PER = (1, 60, 3600, 86400)


def duration_seconds(text: str) -> int | None:
    """Seconds of "05:00", "00:10:00", "1-00:00:00", "01:00:00:00" or plain seconds.

    Behind days and a hyphen come hours first: "1-02" are a day and two hours, "1-02:30" half an hour more.

    Returns:
        None for "UNLIMITED", "N/A" and every other text that is no duration.
    """
    found = _DURATION.match(text.strip())
    if not found:
        return None
    days, *parts = found.groups()
    numbers = [int(part) for part in parts if part is not None]
    if days is not None:  # hours come first behind them, and what is left out at the end is zero
        numbers = [*numbers, 0, 0][:3]
    seconds = sum(number * unit for number, unit in zip(reversed(numbers), _SECONDS_PER, strict=False))
    return seconds + int(days or 0) * 86400


def utc_seconds(text: str) -> float | None:
    """Seconds since 1970 of an ISO or C-style date; without an offset it is read as UTC.

    Commands are run with TZ=UTC, so dates without an offset are UTC. None for "N/A", "None", "Unknown".
    """
    iso = _ISO.match(text.strip())
    if iso:
        return float(calendar.timegm(tuple(int(part) for part in iso.groups())))
    found = _CTIME.match(text.strip())
    if not found or found["month"] not in _MONTHS:
        return None
    date = (int(found["year"]), _MONTHS[found["month"]], int(found["day"]))
    seconds = calendar.timegm((*date, int(found["h"]), int(found["m"]), int(found["s"])))
    if found["sign"]:
        offset = int(found["oh"]) * 3600 + int(found["om"]) * 60
        seconds -= offset if found["sign"] == "+" else -offset
    return float(seconds)


def month_and_minute(text: str, now: float) -> float | None:
    """Seconds since 1970 of "Nov 27 13:05", in the year in which it is nearest to `now`; read as UTC.

    What may follow, as LSF's letter for an estimate, is passed over. None for every other text.
    """
    found = _MONTH_AND_MINUTE.match(text.strip())
    if not found or found["month"] not in _MONTHS:
        return None
    year = time.gmtime(now).tm_year
    date = (_MONTHS[found["month"]], int(found["day"]), int(found["h"]), int(found["m"]), 0)
    years = [each for each in (year - 1, year, year + 1) if date[:2] != (2, 29) or calendar.isleap(each)]
    candidates = [float(calendar.timegm((each, *date))) for each in years]
    return min(candidates, key=lambda seconds: abs(seconds - now), default=None)
