"""The messages to and from the router. Each is a union, so that a new message without a handler is a type error."""

from actors.protocol.backend import ConnectNow, FromConnection, Publish, Resume
from actors.protocol.base import Model
from actors.protocol.feed import (
    AgentActive,
    FeedGrew,
    FeedPage,
    FromSubscriber,
    WritingPaused,
    WritingResumed,
)
from actors.protocol.reports import AnyReport
from actors.protocol.sessions import Adopt, Deliver, FromSession, Restart, Unblock


class RouterStarted(Model):
    """Notice that the router was restarted and doesn't know the state of the others; each answers with its own."""


ToRouter = FromConnection | FromSession | AnyReport | FromSubscriber
ToSession = Adopt | Deliver | Unblock | Restart | RouterStarted
ToConnection = Resume | Publish | ConnectNow | RouterStarted
ToGateway = WritingPaused | WritingResumed | FeedGrew
ToSubscriber = FeedPage | RouterStarted
ToFeed = ToSubscriber | AgentActive
