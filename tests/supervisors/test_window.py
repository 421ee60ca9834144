"""Tests of the sliding window, against OTP's description of its own."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from supervisors import SlidingWindow


@example(gaps=[0.0, 10.0], limit=1, period=10.0)  # the edge of the window belongs to it
@given(st.lists(st.floats(0, 100)), st.integers(0, 6), st.floats(0.1, 50))
def test_the_window_is_exceeded_as_in_otp(gaps: list[float], limit: int, period: float) -> None:
    """Follow OTP: more than MaxR restarts within the last MaxT seconds are too many."""
    window = SlidingWindow(limit, period)
    times: list[float] = []
    for gap in gaps:
        times.append((times[-1] if times else 0.0) + gap)
        recent = [time for time in times if time >= times[-1] - period]
        assert window.admit(times[-1]) == (len(recent) <= limit)
        assert len(window) == len(recent)


def test_a_window_that_is_cleared_counts_anew() -> None:
    window = SlidingWindow(limit=1, period=10.0)
    assert [window.admit(0.0), window.admit(0.0)] == [True, False]
    window.clear()
    assert len(window) == 0
    assert window.admit(0.0)
