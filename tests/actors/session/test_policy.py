"""When to try again, and when to leave it to a person."""

from actors.session.policy import CRASH_PERIOD, CRASHES, RESPAWN, CrashWindow


def test_crashes_count_within_the_period() -> None:
    window = CrashWindow()
    assert [window.add(float(time)) for time in range(CRASHES)] == [False] * CRASHES
    assert window.add(CRASH_PERIOD) is True
    assert window.add(3 * CRASH_PERIOD) is False  # the others are long ago
    assert len(window) == 1
    assert 0 <= window.delay() <= RESPAWN.initial


def test_the_wait_doubles_with_each_crash() -> None:
    window = CrashWindow(jitter=lambda low, high: low + high)
    waits = []
    for _ in range(8):
        window.add(0.0)
        waits.append(window.delay())
    assert waits == [0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0]
    window.clear()
    window.add(0.0)
    assert window.delay() == 0.4
