"""OTP's rules of supervision without threads, written from the documentation of Erlang's ``supervisor``.

Where supervision here differs on purpose (docs/explanation/supervision.md), the line says so.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from supervisors import AutoShutdown, Restart, Strategy

if TYPE_CHECKING:
    from collections.abc import Callable

NORMAL = ""


@dataclass(frozen=True)
class Policy:
    """A supervisor's policy: MaxR restarts within MaxT seconds, and so on."""

    strategy: Strategy
    restarts: int
    period: float
    auto_shutdown: AutoShutdown
    children: tuple[Plan, ...]


@dataclass(frozen=True)
class Plan:
    """A child specification."""

    name: str
    restart: Restart
    significant: bool = False
    policy: Policy | None = None


@dataclass(eq=False)
class Node:
    """A child as its supervisor sees it."""

    plan: Plan
    parent: Node | None
    alive: bool = False
    retired: bool = False
    children: dict[str, Node] = field(default_factory=dict)
    window: list[float] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The child's id."""
        return self.plan.name

    @property
    def policy(self) -> Policy:
        """The policy of a supervisor."""
        assert self.plan.policy is not None
        return self.plan.policy


class Otp:
    """A tree of the model.

    Args:
        root: The specification of the tree.
        clock: Returns the time.

    Attributes:
        log: The starts and ends, with their reasons (by class name), in order.
        incarnations: The number of starts of each child.
        failing: The number of a child's next starts that fail.
    """

    def __init__(self, root: Plan, clock: Callable[[], float]) -> None:
        self.log: list[tuple[str, str, int, str]] = []
        self.incarnations: Counter[str] = Counter()
        self.failing: Counter[str] = Counter()
        self.root = Node(root, None)
        self._clock = clock
        self._begin(self.root)

    def living(self, node: Node | None = None) -> list[Node]:
        """Return all living children, lower ones before higher ones."""
        node = node or self.root
        below = [each for child in node.children.values() for each in self.living(child)]
        return [*below, node] if node.alive else below

    # What can happen.

    def end(self, node: Node, kind: str) -> None:
        """Let a child end by itself."""
        self._finish(node, kind)
        if node.parent is None:
            return
        if node.plan.restart is Restart.PERMANENT or (
            # OTP: a supervisor that gives up exits with `shutdown`, which a transient child may; here it is a fault
            node.plan.restart is Restart.TRANSIENT and kind != NORMAL
        ):
            self._restart(node.parent, node)
        else:
            self._forget_temporary(node)
            self._consider_shutdown(node.parent, node)

    def stop(self) -> None:
        """Stop the whole tree."""
        if self.root.alive:
            self._finish(self.root, NORMAL)

    def start_child(self, boss: Node, plan: Plan) -> str:
        """Carry out `start_child`, and return the error that it raises."""
        known = boss.children.get(plan.name)
        if known is not None and known.alive:
            return "NameTaken"
        # OTP: a child that is known and stopped is `already_present`; here it is replaced
        boss.children.pop(plan.name, None)
        child = boss.children[plan.name] = Node(plan, boss)
        if self._begin(child):
            return ""
        del boss.children[plan.name]
        return "StartFailed"

    def terminate_child(self, boss: Node, name: str) -> str:
        """Carry out `terminate_child`, and return the error that it raises."""
        child = boss.children.get(name)
        if child is None:
            return "NoSuchChild"
        self._finish(child, NORMAL)
        child.retired = True
        self._forget_temporary(child)
        return ""

    def delete_child(self, boss: Node, name: str) -> str:
        """Carry out `delete_child`, and return the error that it raises."""
        child = boss.children.get(name)
        if child is None:
            return "NoSuchChild"
        self._finish(child, NORMAL)  # OTP: it must have been stopped before
        del boss.children[name]
        return ""

    def restart_child(self, boss: Node, name: str) -> str:
        """Carry out `restart_child`, and return the error that it raises."""
        child = boss.children.get(name)
        if child is None:
            return "NoSuchChild"
        self._finish(child, NORMAL)  # OTP: it must have been stopped before
        child.retired = False
        if self._begin(child):
            return ""
        if child.plan.restart is Restart.TEMPORARY:
            self._forget_temporary(child)
        else:
            self._restart(boss, child)  # OTP: it stays stopped
        return "StartFailed"

    # What follows.

    def _begin(self, node: Node) -> bool:
        """Start a child. A supervisor starts its children in order, and fails with the first that does."""
        self.incarnations[node.name] += 1
        node.children, node.window = {}, []
        if node.plan.policy is None:
            return self._begin_worker(node)
        node.children = {plan.name: Node(plan, node) for plan in node.policy.children}
        node.alive = all(self._begin(child) for child in node.children.values())
        if not node.alive:
            self._finish_children(node)
            self._note("end", node, "StartFailed")
        return node.alive

    def _begin_worker(self, node: Node) -> bool:
        if self.failing[node.name]:
            self.failing[node.name] -= 1
            self._note("end", node, "ValueError")
            return False
        self._note("begin", node, "")
        node.alive = True
        return True

    def _finish(self, node: Node, kind: str) -> None:
        """End a child. A supervisor's children end before it, in reverse order."""
        if not node.alive:
            return
        self._finish_children(node)
        node.alive = False
        self._note("end", node, kind)

    def _finish_children(self, boss: Node) -> None:
        for child in reversed(list(boss.children.values())):
            self._finish(child, NORMAL)

    def _restart(self, boss: Node, child: Node) -> None:
        """Restart a child and its group, unless that is one restart too many."""
        now = self._clock()
        boss.window = [time for time in boss.window if now - time <= boss.policy.period] + [now]
        if len(boss.window) > boss.policy.restarts:
            self.end(boss, "RestartIntensityExceeded")
            return
        group = self._group(boss, child)
        for member in reversed(group):
            self._finish(member, NORMAL)
            self._forget_temporary(member)
        for member in group:
            if member.name in boss.children and not self._begin(member):
                self._restart(boss, member)
                return

    @staticmethod
    def _group(boss: Node, child: Node) -> list[Node]:
        children = list(boss.children.values())
        group = {
            Strategy.ONE_FOR_ONE: [child],
            Strategy.REST_FOR_ONE: children[children.index(child) :],
            Strategy.ONE_FOR_ALL: children,
        }[boss.policy.strategy]
        # OTP: a child that was stopped on purpose comes back with its siblings
        return [member for member in group if member is child or not member.retired]

    @staticmethod
    def _forget_temporary(child: Node) -> None:
        if child.plan.restart is Restart.TEMPORARY and child.parent is not None:
            del child.parent.children[child.name]

    def _consider_shutdown(self, boss: Node, child: Node) -> None:
        """Apply auto-shutdown after a significant child has ended by itself for good."""
        others = any(other.alive and other.plan.significant for other in boss.children.values())
        any_is_enough = boss.policy.auto_shutdown is AutoShutdown.ANY_SIGNIFICANT
        if child.plan.significant and (any_is_enough or not others):
            self.end(boss, NORMAL)

    def _note(self, what: str, node: Node, kind: str) -> None:
        self.log.append((what, node.name, self.incarnations[node.name], kind))
