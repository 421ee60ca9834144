"""The supervisor: an actor that carries out the restart policy for its children."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any, cast

import structlog

from supervisors import restarts
from supervisors.actor import Actor
from supervisors.children import Child, ChildExited, RestartDue
from supervisors.commands import (
    CountChildren,
    DeleteChild,
    RestartChild,
    StartChild,
    StopChild,
    WhichChildren,
)
from supervisors.errors import (
    NameTaken,
    NoSuchChild,
    RestartIntensityExceeded,
    StartFailed,
    SupervisionError,
)
from supervisors.launcher import Launcher
from supervisors.policy import AutoShutdown, Intensity, Restart, Strategy
from supervisors.reports import ChildCount, brief
from supervisors.window import SlidingWindow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from supervisors.context import ActorContext
    from supervisors.life import Life
    from supervisors.spec import ChildSpec
    from supervisors.system import System

__all__ = ["Supervisor"]

log = structlog.stdlib.get_logger("supervisors.supervisor")


class Supervisor(Actor):
    """Starts its children in order, restarts them by its policy, and stops them in reverse (see `Strategy`).

    It is an actor itself, so supervisors nest. It waits for a child that starts or stops (within the
    child's `start_timeout` and `shutdown`), but never for a restart delay.

    Args:
        context: See `Actor`.
        children: The children to start with.
        strategy: The children that are restarted together.
        intensity: The limit on restarts. Beyond it, the supervisor stops all children and ends with
            `RestartIntensityExceeded`, which its own supervisor handles.
        auto_shutdown: The condition under which the ends of significant children end it too, in an orderly way.

    Raises:
        ValueError: Two children have one name, a child is significant without auto_shutdown, or there
            are initial children although the strategy starts all on demand.
    """

    supervises = True

    def __init__(
        self,
        context: ActorContext,
        *,
        children: Sequence[ChildSpec] = (),
        strategy: Strategy = Strategy.ONE_FOR_ONE,
        intensity: Intensity | None = None,
        auto_shutdown: AutoShutdown = AutoShutdown.NEVER,
    ) -> None:
        super().__init__(context)
        self._strategy = Strategy(strategy)
        self._intensity = intensity or Intensity()
        self._auto_shutdown = AutoShutdown(auto_shutdown)
        self._window = SlidingWindow(self._intensity.restarts, self._intensity.period)
        self._system = cast("System", context.system)  # always a System; an actor's view of it is narrower
        self._launcher = Launcher(self._system, context)
        self._children: dict[str, Child] = {}
        if children and self._strategy is Strategy.SIMPLE_ONE_FOR_ONE:
            raise ValueError("children: must be none where all are started on demand")
        for spec in children:
            if spec.name in self._children:
                raise ValueError(f"children: the name {spec.name} is there twice")
            self._add(spec)

    def on_start(self) -> None:
        """Start the children in order. If one fails, `on_exit` stops those already started."""
        for child in self._children.values():
            failure = self._launcher.launch(child)
            if failure is not None:
                raise StartFailed(child.name) from failure
            if self._launcher.interrupted:
                return

    def on_exit(self, reason: BaseException | None) -> None:  # noqa: ARG002  # they stop in any case
        """Stop the children in reverse order, or all at once if they have no order."""
        children = list(self._children.values())
        if self._strategy is Strategy.SIMPLE_ONE_FOR_ONE:
            self._launcher.stop_together(children)
        else:
            self._launcher.stop_all(children)

    def on_receive(self, message: Any) -> None:  # noqa: ANN401  # an unknown message is refused
        """Carry out a command or a notice. A refused command is logged, unless its goal is already met."""
        try:
            self.on_ask(message)
        except NameTaken as error:  # the goal of a told start is met when the child runs
            log.debug("already_running", supervisor=self.context.name, child=error.name)
        except (SupervisionError, ValueError) as error:
            log.warning(
                "command_refused", supervisor=self.context.name, command=brief(message), error=str(error)
            )

    def on_ask(self, message: Any) -> Any:  # noqa: ANN401  # a table of all messages
        """Carry out a command, or answer a query.

        Raises:
            SupervisionError: The command cannot be carried out.
        """
        match message:
            case ChildExited(life):
                return self._child_exited(life)
            case RestartDue(child, ticket):
                return self._restart_due(child, ticket)
            case StartChild(spec):
                return self._start_child(spec)
            case StopChild(name):
                return self._stop_child(self._child(name))
            case DeleteChild(name):
                return self._delete_child(self._child(name))
            case RestartChild(name):
                return self._restart_child(self._child(name))
            case WhichChildren():
                return [child.info(self._system) for child in self._children.values()]
            case CountChildren():
                return self._count()
            case _:
                raise SupervisionError(f"a supervisor does not understand {brief(message)}")

    # What it is told.

    def _start_child(self, spec: ChildSpec) -> None:
        known = self._children.get(spec.name)
        if known is not None and (known.life is not None or known.pending):
            raise NameTaken(spec.name)
        child = self._add(spec)
        failure = self._launcher.launch(child)
        if failure is not None:
            self._forget(child)
            raise StartFailed(spec.name) from failure

    def _stop_child(self, child: Child) -> None:
        self._take_out(child)
        child.retired = True
        self._retire(child)

    def _delete_child(self, child: Child) -> None:
        self._take_out(child)
        self._forget(child)

    def _restart_child(self, child: Child) -> None:
        self._take_out(child)
        failure = self._launcher.launch(child)
        if failure is None:
            return
        if child.spec.restart is Restart.TEMPORARY:
            self._forget(child)
        else:
            self._restart(child)
        raise StartFailed(child.name) from failure

    def _take_out(self, child: Child) -> None:
        """Stop a child on demand. Siblings due to restart with it are still restarted, at the same time."""
        timer = child.timer
        self._launcher.halt(child)
        heir = next((member for member in self._group(child) if member.pending), None)
        if timer is not None and heir is not None:
            heir.timer = self.tell_later(timer.due - time.monotonic(), RestartDue(heir, heir.ticket))

    def _count(self) -> ChildCount:
        living = [child for child in self._children.values() if child.life is not None]
        supervisors = sum(child.is_supervisor for child in living)
        return ChildCount(len(self._children), len(living), supervisors, len(living) - supervisors)

    # What happens to its children.

    def _child_exited(self, life: Life) -> None:
        child = self._children.get(life.name)
        if child is None or child.life is not life or life.report is None:
            return  # stopped by ourselves, or a child of an earlier incarnation of ours
        child.life = None
        report = life.report
        if report.reason is not None:
            child.last_reason = brief(report.reason)
        if report.lifetime >= self._intensity.period:
            child.attempts = 0
        if restarts.is_restarted(child.spec.restart, normal=report.normal):
            self._restart(child)
        else:
            self._retire(child)
            self._consider_shutdown(child)

    def _restart(self, child: Child) -> None:
        """Schedule a restart of the child and its group, after the delay of its backoff."""
        if not self._window.admit(self._system.clock()):
            self._give_up(child)
            return
        for member in reversed(self._group(child)):
            self._launcher.halt(member)
            if member.spec.restart is Restart.TEMPORARY:
                self._forget(member)
            else:
                member.pending = True
        jitter = random.random()  # noqa: S311  # spreads load, keeps no secret
        seconds = child.spec.backoff.delay(child.attempts, jitter)
        child.attempts += 1
        child.timer = self.tell_later(seconds, RestartDue(child, child.ticket))
        log.info("child_restarting", supervisor=self.context.name, child=child.name, seconds=seconds)

    def _restart_due(self, child: Child, ticket: int) -> None:
        if self._children.get(child.name) is not child or child.ticket != ticket:
            return  # overtaken by something else
        for member in self._group(child):
            if not member.pending:
                continue
            failure = self._launcher.launch(member)
            if self._launcher.interrupted:
                return
            if failure is not None:
                self._restart(member)
                return
            member.restarts += 1
            log.info("child_restarted", supervisor=self.context.name, child=member.name)

    def _group(self, child: Child) -> list[Child]:
        """Return the children to restart with this one, itself included; those stopped on purpose stay stopped."""
        names = restarts.affected(self._strategy, list(self._children), child.name)
        members = [self._children[name] for name in names]
        return [member for member in members if not member.retired or member is child]

    def _give_up(self, child: Child) -> None:
        allowed = self._intensity
        log.warning("child_gave_up", supervisor=self.context.name, child=child.name, reason=child.last_reason)
        self.stop(
            RestartIntensityExceeded(
                self.context.name, child=child.name, restarts=allowed.restarts, period=allowed.period
            )
        )

    def _consider_shutdown(self, child: Child) -> None:
        if not child.spec.significant:
            return
        others = any(
            other.life or other.pending for other in self._children.values() if other.spec.significant
        )
        if self._auto_shutdown is AutoShutdown.ANY_SIGNIFICANT or not others:
            self.stop()

    # The table of children.

    def _child(self, name: str) -> Child:
        child = self._children.get(name)
        if child is None:
            raise NoSuchChild(name)
        return child

    def _add(self, spec: ChildSpec) -> Child:
        if spec.significant and self._auto_shutdown is AutoShutdown.NEVER:
            raise ValueError(f"children: {spec.name} is significant, but auto_shutdown is never")
        self._children.pop(spec.name, None)
        child = self._children[spec.name] = Child(spec)
        return child

    def _retire(self, child: Child) -> None:
        """Stop a child for good; delete the spec of a temporary one too."""
        if child.spec.restart is Restart.TEMPORARY:
            self._forget(child)
        else:
            self._system.retire(child.name)

    def _forget(self, child: Child) -> None:
        if self._children.get(child.name) is child:
            del self._children[child.name]
        self._system.retire(child.name)
