"""The clock of this process, bound before a test can put another one in its place.

What freezes the time of a test, as freezegun does, replaces the functions of `time` and what
modules have taken from there by name, but nothing in a class. So the plugin imports this when it
is loaded.
"""

from __future__ import annotations

import time


class RealTime:
    """The functions of `time` as they are when the plugin is loaded."""

    monotonic = staticmethod(time.monotonic)
    perf_counter_ns = staticmethod(time.perf_counter_ns)
    sleep = staticmethod(time.sleep)
