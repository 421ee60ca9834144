"""The feed: keeps what happens, within a bound, for all who show it."""

from actors.feed.actor import FeedActor
from actors.feed.log import Fact
from actors.feed.reader import FeedPart, FeedReader, FeedUnreadableError

__all__ = ["Fact", "FeedActor", "FeedPart", "FeedReader", "FeedUnreadableError"]
