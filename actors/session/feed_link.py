"""Reports from a session to the feed: the words and actions of its agent. They are for show: nothing waits for them."""

from actors.protocol.feed import Activity, AgentActive, Cost
from actors.session.clock import Clock
from supervisors import Handle

MOST_WAITING = 1000
"""While more messages than this wait for the feed, activities are dropped."""
MOST_AT_ONCE = 50
"""The most activities that one message holds."""


class FeedLink:
    """Reports one agent to the feed.

    Args:
        agent: The agent's name.
        feed: The feed's address.
        clock: Gives the time of each report.
    """

    def __init__(self, agent: str, feed: Handle, clock: Clock) -> None:
        self._agent = agent
        self._feed = feed
        self._clock = clock
        self._activities: list[Activity] = []
        self._dropped = 0
        self._cost: Cost | None = None

    def add(self, activities: tuple[Activity, ...]) -> None:
        """Keep these until ``flush``, but for a cost that has not changed."""
        for each in activities:
            if isinstance(each, Cost):
                if each == self._cost:
                    continue  # claude says it at each turn's end
                self._cost = each
            self._activities.append(each)

    def flush(self) -> None:
        """Send what was added; where the feed can't keep up, drop and count it instead."""
        activities, self._activities = self._activities, []
        for start in range(0, len(activities), MOST_AT_ONCE):
            self._tell(tuple(activities[start : start + MOST_AT_ONCE]))

    def _tell(self, activities: tuple[Activity, ...]) -> None:
        if self._feed.waiting > MOST_WAITING:
            self._dropped += len(activities)
            return
        active = AgentActive(
            agent=self._agent, at=self._clock.time(), activities=activities, dropped=self._dropped
        )
        self._dropped = 0
        self._feed.tell(active)
