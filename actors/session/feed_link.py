"""What a session tells the feed: what its agent says and does. It is for show, so it never holds anything up."""

from actors.protocol.feed import Activity, AgentActive, Cost
from actors.session.clock import Clock
from supervisors import Handle

MOST_WAITING = 1000
"""While more messages than this wait for the feed, activities are dropped."""
MOST_AT_ONCE = 50
"""Activities a message."""


class FeedLink:
    """Tells the feed of one agent.

    Args:
        agent: The agent's name.
        feed: The feed's address.
        clock: Tells when something was said.
    """

    def __init__(self, agent: str, feed: Handle, clock: Clock) -> None:
        self._agent = agent
        self._feed = feed
        self._clock = clock
        self._activities: list[Activity] = []
        self._dropped = 0
        self._cost: Cost | None = None

    def add(self, activities: tuple[Activity, ...]) -> None:
        """Remember these until ``flush``."""
        for each in activities:
            if isinstance(each, Cost):
                if each == self._cost:
                    continue  # claude says it at each turn's end
                self._cost = each
            self._activities.append(each)

    def flush(self) -> None:
        """Tell what was added, or drop it and count it where the feed can't keep up."""
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
