"""When to try again, and when to leave it to a person."""

from actors.session.policy import CRASH_PERIOD, CRASHES, FIRST_RESPAWN, CrashWindow, Retries


def test_crashes_count_within_the_period() -> None:
    window = CrashWindow()
    assert [window.add(float(time)) for time in range(CRASHES)] == [False] * CRASHES
    assert window.add(CRASH_PERIOD) is True
    assert window.add(3 * CRASH_PERIOD) is False  # the others are long ago
    assert len(window) == 1
    assert 0 <= window.delay() <= FIRST_RESPAWN


def test_the_waits_grow_up_to_the_longest() -> None:
    drawn: list[tuple[float, float]] = []

    def draw(low: float, high: float) -> float:
        drawn.append((low, high))
        return high

    retries = Retries(5.0, 300.0, draw)
    longest = [min(300.0, 5.0 * 2**number) for number in range(40)]
    assert [retries.add() for _ in longest] == longest
    assert drawn == [(most / 2, most) for most in longest]
    retries.clear()
    assert retries.add() == 5.0
