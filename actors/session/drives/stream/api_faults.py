"""What is known of the API while it fails turns: whether waiting helps, and how long. No clock of its own."""

from collections.abc import Callable

from actors.lib.backoff import Retries
from actors.session.drive import ApiFailed, Limited, TurnOver
from supervisors import Backoff

TURN = Backoff(initial=5.0, maximum=300.0, floor=0.5)
"""How long to wait before a turn that the API has failed goes on."""
LONGEST_LIMIT = 8 * 86400.0
"""A usage limit that is said to last longer, in seconds, is taken for a misunderstanding: they last a week at most."""
TOO_MANY = 429
PERMANENT = frozenset({400, 401, 402, 403, 404, 413})
"""Answers of the API that will be the same the next time: a wrong key, no credit, no such model, too long."""
PERMANENT_KINDS = frozenset({
    *("authentication_failed", "oauth_org_not_allowed", "account_on_hold", "verification_required"),
    *("billing_error", "cloud_credential_error", "invalid_request", "model_not_found"),
})  # fmt: skip
"""The same in claude's own words: it may refuse without asking the API, such as where nobody is logged in."""


class ApiFaults:
    """What claude has said of the API's faults.

    Args:
        jitter: Draws a number between two.
    """

    def __init__(self, jitter: Callable[[float, float], float]) -> None:
        self._kind = ""
        self._limited_until = 0.0
        self._retries = Retries(TURN, jitter=jitter)

    def heard(self, fact: Limited | ApiFailed) -> None:
        """Claude says more of it: why the turn that runs fails, or until when the account's limit is reached."""
        match fact:
            case Limited(until=until):
                self._limited_until = until or 0.0
            case ApiFailed(kind=kind):
                self._kind = kind

    def failed(self, turn: TurnOver, now: float) -> float | None:
        """It has failed a turn; the seconds to wait before that goes on, or None if a wait won't mend it.

        Args:
            turn: The turn.
            now: The time, in seconds since the epoch.
        """
        kind, self._kind = self._kind, ""
        if turn.status in PERMANENT or kind in PERMANENT_KINDS:
            return None
        limit = self._limited_until - now if turn.status == TOO_MANY else 0.0
        return self._retries.failed() + (limit if 0 < limit <= LONGEST_LIMIT else 0.0)

    def clear(self) -> None:
        """A turn has ended otherwise."""
        self._kind = ""
        self._retries.reset()
