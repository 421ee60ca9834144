"""All that is told to, and by, the router: each a union, so that a new message without a handler is a type error."""

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
from actors.protocol.sessions import Adopt, Deliver, FromSession, Unblock


class RouterStarted(Model):
    """The router is a new incarnation and knows nothing of those who live: whoever hears this says what is so."""


ToRouter = FromConnection | FromSession | AnyReport | FromSubscriber
ToSession = Adopt | Deliver | Unblock | RouterStarted
ToConnection = Resume | Publish | ConnectNow | RouterStarted
ToGateway = WritingPaused | WritingResumed | FeedGrew
ToSubscriber = FeedPage | RouterStarted
ToFeed = ToSubscriber | AgentActive
