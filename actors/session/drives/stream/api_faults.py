"""Failures of the API: whether waiting helps, and for how long. Without a clock: the caller brings the time."""

from collections.abc import Callable

from actors.lib.backoff import Retries
from actors.session.drive import ApiFailed, Limited, TurnOver
from supervisors import Backoff

TURN = Backoff(initial=5.0, maximum=300.0, floor=0.5)
"""The wait before a turn that the API has failed is continued."""
LONGEST_LIMIT = 8 * 86400.0
"""The longest usage limit that is believed, in seconds; real ones last a week at most."""
TOO_MANY = 429
PERMANENT = frozenset({400, 401, 402, 403, 404, 413})
"""HTTP statuses that will be the same the next time: a wrong key, no credit, no such model, too long."""
SPOILT = frozenset({400, 413})
"""Those that come again with each request of the conversation, unless the fault lies elsewhere."""
ELSEWHERE = frozenset({
    *("authentication_failed", "oauth_org_not_allowed", "account_on_hold", "verification_required"),
    *("billing_error", "cloud_credential_error", "model_not_found"),
})  # fmt: skip
"""Failures that are due to the account or the settings, by claude's own names."""
PERMANENT_KINDS = ELSEWHERE | {"invalid_request"}
"""The same by claude's own names: it may refuse without asking the API, for example where nobody is logged in."""


class ApiFaults:
    """The API's failures, as claude has reported them.

    Args:
        jitter: Returns a random number between two.

    Attributes:
        is_spoiled: True where the last failure is due to the conversation as such, which the API refuses from now on:
            it is too long, for one.
    """

    def __init__(self, jitter: Callable[[float, float], float]) -> None:
        self.is_spoiled = False
        self._kind = ""
        self._limited_until = 0.0
        self._retries = Retries(TURN, jitter=jitter)

    def heard(self, fact: Limited | ApiFailed) -> None:
        """Note a fact that precedes a failed turn: the kind of failure, or the end of the account's usage limit."""
        match fact:
            case Limited(until=until):
                self._limited_until = until or 0.0
            case ApiFailed(kind=kind):
                self._kind = kind

    def failed(self, turn: TurnOver, now: float) -> float | None:
        """Note a turn that the API has failed.

        Args:
            turn: The turn.
            now: The time, in seconds since the epoch.

        Returns:
            The seconds to wait before the turn is continued, or None where waiting won't help.
        """
        kind, self._kind = self._kind, ""
        self.is_spoiled = turn.status in SPOILT and kind not in ELSEWHERE
        if turn.status in PERMANENT or kind in PERMANENT_KINDS:
            return None
        limit = self._limited_until - now if turn.status == TOO_MANY else 0.0
        return self._retries.failed() + (limit if 0 < limit <= LONGEST_LIMIT else 0.0)

    def clear(self) -> None:
        """Forget all failures, since a turn has ended without one."""
        self._kind = ""
        self._retries.reset()
