"""The coordinator: one object to start, wait for and stop."""

from collections.abc import Mapping

import structlog

from actors.agents.prompt import PRODUCT_PROMPTS, bad_prompts
from actors.app.environment import claude_environment
from actors.app.listeners import Listeners, open_listeners
from actors.app.settings import Settings
from actors.app.tree import ACTORS, RESTARTS, Actors, build_tree
from actors.gateway import Tokens, load_secret
from actors.lib import deadlines
from actors.lib.errors import ConfigurationError, root_cause
from actors.lib.leftovers import end_adopted, end_orphans
from actors.lib.process_marks import work_dir_mark
from actors.protocol.backend import InputRejected
from actors.protocol.deliveries import Delivery, DeliveryState, DeliveryStep
from actors.protocol.names import ROUTER
from actors.protocol.sessions import Deliver, Progressed
from actors.workdir import Lock, prepare
from supervisors import DeadLetter, ExitReport, Intensity, StartFailed, System

log = structlog.get_logger(__name__)


class Coordinator:
    """Owns the work directory and the tree of actors.

    Args:
        settings: The settings.
        environment: The environment of claude; by default the user's own.
        actors: The makers of the tree's actors.
        restarts: The limit on restarts.

    Raises:
        ConfigurationError: The work directory or a port can't be used, or another coordinator runs there.

    Example:
        Run until the tree ends by itself::

            coordinator = Coordinator(load(work_dir=directory))
            coordinator.start()
            try:
                coordinator.wait()
            finally:
                coordinator.stop()
    """

    def __init__(
        self,
        settings: Settings,
        *,
        environment: Mapping[str, str] | None = None,
        actors: Actors = ACTORS,
        restarts: Intensity = RESTARTS,
    ) -> None:
        self.settings = settings
        self.workdir = prepare(settings.work_dir)
        given = claude_environment(secrets=settings.secrets) if environment is None else environment
        self._environment = {**given, **work_dir_mark(self.workdir.path)}
        self._actors, self._restarts = actors, restarts
        self.system = System(on_dead_letter=self._dead_letter)
        self._lock: Lock | None = None
        self._listeners: Listeners | None = None

    def start(self) -> None:
        """Start all actors in order, and return when all are ready.

        Raises:
            ConfigurationError: A user error.
            DiskFullError: The disk has no room.
            OSError: The search for processes of an earlier coordinator failed.
            StartFailed: An actor could not start for another reason.
        """
        self.workdir.check_room()
        self._lock = lock = self.workdir.lock()
        end_orphans(self.workdir.path)  # they may be missing from the journal, which may be a new one
        self.tokens = Tokens(load_secret(self.workdir.secret))
        self._listeners = listeners = open_listeners(self.settings, self.workdir)
        if listeners.backend:
            self.settings = self.settings.model_copy(update={"embedded_port": listeners.backend_port})
        try:
            lock.publish(self.url)
            self.system.start(
                build_tree(
                    self.settings, self.workdir, listeners, self.tokens,
                    environment=self._environment, actors=self._actors, restarts=self._restarts,
                )
            )  # fmt: skip
        except StartFailed as error:
            self._release()
            cause = root_cause(error)
            if isinstance(cause, ConfigurationError):
                raise cause from error
            raise
        for bad in bad_prompts(self.workdir.prompts, PRODUCT_PROMPTS):
            log.warning("prompt_unusable", reason=str(bad))  # now, not only when its agent is needed

    @property
    def url(self) -> str:
        """The gateway's address, available after the start."""
        if self._listeners is None:
            raise RuntimeError("the coordinator has not started")
        return self._listeners.url

    def wait(self) -> ExitReport | None:
        """Wait until the root has ended, and return its exit report."""
        return self.system.wait()

    def stop(self) -> list[str]:
        """Stop all actors in reverse order, and return the names of the abandoned ones."""
        abandoned = self.system.stop(deadlines.ALL)
        end_adopted()
        self._release()
        return abandoned

    def _release(self) -> None:
        if self._listeners is not None:
            self._listeners.close()
        if self._lock is not None:
            self._lock.release()

    def _dead_letter(self, letter: DeadLetter) -> None:
        """Record a message that killed its reader twice as rejected input."""
        if isinstance(letter.message, Deliver):
            self._delivery_died(letter, letter.message.delivery)
        raw = repr(letter.message).encode(errors="replace")
        reason = f"it killed its reader {letter.name}: {letter.traceback[-3000:]}"
        self.system.handle(ROUTER).tell(
            InputRejected(origin=f"actor {letter.name}", reason=reason, raw=raw[:4096], size=len(raw))
        )

    def _delivery_died(self, letter: DeadLetter, delivery: Delivery) -> None:
        """Make a delivery that killed its session twice a dead letter, so that it is not resent."""
        reason = f"it killed its session twice: {letter.traceback[-3000:]}"
        step = DeliveryStep(delivery_id=delivery.id, state=DeliveryState.DEAD, reason=reason)
        self.system.handle(ROUTER).tell(Progressed(agent=delivery.agent, steps=(step,)))
