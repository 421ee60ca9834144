"""The feed: a bounded file of everything that happens, for clients and dashboards."""

from actors.feed.actor import FeedActor
from actors.feed.log import Fact
from actors.feed.reader import FeedPart, FeedReader, FeedUnreadableError

__all__ = ["Fact", "FeedActor", "FeedPart", "FeedReader", "FeedUnreadableError"]
