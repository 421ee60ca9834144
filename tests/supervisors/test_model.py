"""Tests of random supervision trees and events against a model of OTP's rules."""

from __future__ import annotations

import functools
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from supervisors import (
    ActorContext,
    AutoShutdown,
    ChildSpec,
    ChildStatus,
    DeleteChild,
    ExitReport,
    Intensity,
    NotRunning,
    Restart,
    RestartChild,
    StartChild,
    StopChild,
    SupervisionError,
    WhichChildren,
)
from supervisors.drill import crash
from tests.supervisors.helpers import AT_ONCE, DEADLINE, ORDERED, Worker, World, until
from tests.supervisors.otp import Node, Otp, Plan, Policy

pytestmark = pytest.mark.expected_errors("child_exited")

PERIOD = 10.0
ROOT = "root"
LIVES = st.sampled_from([0.0, PERIOD / 2, PERIOD, PERIOD + 1])
FAULTS = (ValueError, SystemExit, KeyboardInterrupt)
COMMANDS = {
    StopChild: Otp.terminate_child,
    DeleteChild: Otp.delete_child,
    RestartChild: Otp.restart_child,
}
View = dict[str, list[tuple[str, ChildStatus, int]]]


@st.composite
def plans(draw: st.DrawFn, name: str, *, shutdown: AutoShutdown, depth: int) -> Plan:
    """Draw a child; it is a supervisor only if more depth is left."""
    ends_matter = shutdown is not AutoShutdown.NEVER
    restart = draw(st.sampled_from([*Restart, Restart.TRANSIENT] if ends_matter else Restart))
    significant = ends_matter and restart is not Restart.PERMANENT and draw(st.integers(0, 3)) > 0
    is_boss = depth > 0 and draw(st.integers(0, 2)) == 0
    return Plan(name, restart, significant, draw(policies(name, depth - 1)) if is_boss else None)


@st.composite
def policies(draw: st.DrawFn, name: str, depth: int) -> Policy:
    """Draw a supervisor's policy."""
    shutdown = draw(st.sampled_from(AutoShutdown))
    numbers = range(draw(st.integers(1, 3)))
    children = [draw(plans(f"{name}.{number}", shutdown=shutdown, depth=depth)) for number in numbers]
    strategy, restarts = draw(st.sampled_from(ORDERED)), draw(st.integers(0, 3))
    return Policy(strategy, restarts, PERIOD, shutdown, tuple(children))


class Tree(RuleBasedStateMachine):
    """The real tree beside the model's."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.model: Otp

    # ------------------------------------------------------------ what happens

    @initialize(policy=policies(ROOT, depth=2))
    def begin(self, policy: Policy) -> None:
        """Start both trees, and expect the initial children to start in order."""
        self.log: list[tuple[str, str, int, str]] = []
        self.failing: Counter[str] = Counter()
        self.world = World()
        self.world.system._on_exit = self.ended
        root = Plan(ROOT, Restart.TEMPORARY, policy=policy)
        self.world.system.start(self.spec(root))
        self.model = Otp(root, self.world.clock)
        self.last = ""
        self.compare()

    @precondition(lambda self: not self.model.root.alive)
    @rule(policy=policies(ROOT, depth=2))
    def begin_again(self, policy: Policy) -> None:
        """Start another system after the root has ended."""
        self.end()
        self.begin(policy)

    @precondition(lambda self: self.model.root.alive)
    @rule(data=st.data(), fault=st.sampled_from([None, *FAULTS]), seconds=LIVES)
    def one_ends(self, data: st.DataObject, fault: type[BaseException] | None, seconds: float) -> None:
        """Let a worker end or fail, or a supervisor fail, after a while."""
        node = data.draw(st.sampled_from(self.model.living()), label="who")
        if fault is None and node.plan.policy is not None:
            fault = ValueError
        self.end_one(node, fault, seconds)

    @precondition(lambda self: self.has(self.last))
    @rule(seconds=LIVES)
    def it_dies_again(self, seconds: float) -> None:
        """Let the actor fail that has just been restarted."""
        (node,) = [node for node in self.model.living() if node.name == self.last]
        self.end_one(node, ValueError, seconds)

    def end_one(self, node: Node, fault: type[BaseException] | None, seconds: float) -> None:
        """Let one actor end, and compare the consequences."""
        self.world.clock.now += seconds
        life = self.world.system._lives[node.name]
        if fault is None:
            self.world.tell(node.name, lambda actor: actor.stop())
        else:
            crash(self.world.system, node.name, fault("drill"))
        life.thread.join(DEADLINE)  # so its supervisor has been told
        self.model.end(node, fault.__name__ if fault else "")
        self.compare()
        self.last = node.name

    @precondition(lambda self: self.model.root.alive)
    @rule(data=st.data(), times=st.integers(1, 3))
    def next_starts_fail(self, data: st.DataObject, times: int) -> None:
        """Make a worker's next starts fail."""
        workers = [node for node in self.model.living() if node.plan.policy is None]
        if workers:
            name = data.draw(st.sampled_from(workers), label="who").name
            self.failing[name] = self.model.failing[name] = times

    @precondition(lambda self: self.model.root.alive)
    @rule(data=st.data(), command=st.sampled_from(list(COMMANDS)))
    def a_command(self, data: st.DataObject, command: type[StopChild | DeleteChild | RestartChild]) -> None:
        """Tell a supervisor to stop, restart or delete a child."""
        boss = self.draw_boss(data)
        name = data.draw(st.sampled_from([*boss.children, "nobody"]), label="whom")
        refused = COMMANDS[command](self.model, boss, name)
        assert self.ask(boss, command(name)) == refused
        self.compare()

    @precondition(lambda self: self.model.root.alive)
    @rule(data=st.data(), number=st.integers(0, 4), fails=st.booleans())
    def a_child_is_added(self, data: st.DataObject, number: int, *, fails: bool) -> None:
        """Tell a supervisor to start a new or an earlier child, which may fail."""
        boss = self.draw_boss(data)
        name = f"{boss.name}.{number}"
        self.failing[name] = self.model.failing[name] = int(fails)
        plan = data.draw(plans(name, shutdown=boss.policy.auto_shutdown, depth=1), label="what")
        refused = self.model.start_child(boss, plan)
        assert self.ask(boss, StartChild(self.spec(plan))) == refused
        self.compare()

    def teardown(self) -> None:
        """Check the end too."""
        self.end()

    def end(self) -> None:
        """Stop the system, and check that all children stop in reverse order and nothing else happens."""
        assert self.world.system.stop(DEADLINE) == []
        if hasattr(self, "model"):
            self.model.stop()
            assert self.log == self.model.log

    def has(self, name: str) -> bool:
        """Tell whether an actor of this name lives."""
        return any(node.name == name for node in self.model.living())

    def draw_boss(self, data: st.DataObject) -> Node:
        """Draw a living supervisor."""
        bosses = [node for node in self.model.living() if node.plan.policy is not None]
        return data.draw(st.sampled_from(bosses), label="boss")

    # ------------------------------------------------------------ the real tree

    def ended(self, report: ExitReport) -> None:
        """Record an end."""
        kind = "" if report.reason is None else type(report.reason).__name__
        self.log.append(("end", report.name, report.incarnation, kind))

    def spec(self, plan: Plan) -> ChildSpec:
        """Return the spec of a real child."""
        common: dict[str, Any] = {
            "restart": plan.restart,
            "significant": plan.significant,
            "backoff": AT_ONCE,
        }
        policy = plan.policy
        if policy is None:
            return ChildSpec(plan.name, functools.partial(Part, tree=self), **common)
        return self.world.boss(
            plan.name,
            *map(self.spec, policy.children),
            spec=common,
            strategy=policy.strategy,
            intensity=Intensity(policy.restarts, policy.period),
            auto_shutdown=policy.auto_shutdown,
        )

    def ask(self, boss: Node, command: object) -> str:
        """Return the error that a command raises."""
        try:
            self.world.ask(boss.name, command)
        except SupervisionError as error:
            return type(error).__name__
        return ""

    def view(self) -> View:
        """Return the supervisors' views, lower ones first, so that a higher one knows if one of these has ended."""
        found: View = {}
        for name in sorted(self.model.incarnations, key=lambda name: -name.count(".")):
            try:
                children = self.world.ask(name, WhichChildren())
            except NotRunning:
                continue
            if isinstance(children, list):  # a worker doesn't understand, and gives back what it got
                found[name] = [(child.name, child.status, child.incarnation) for child in children]
        return found

    # ------------------------------------------------------------ side by side

    def compare(self) -> None:
        """Check that both trees have done the same in the same order and are equal, once no restart is due."""
        views: list[View] = [{}]

        def is_settled() -> bool:
            views.append(self.view())
            is_due = any(child[1] is ChildStatus.BACKING_OFF for each in views[-1].values() for child in each)
            return views[-1] == views[-2] and not is_due  # the one before may be of different moments

        until(is_settled)
        assert self.log == self.model.log
        assert views[-1] == {
            boss.name: [self.expect(child) for child in boss.children.values()]
            for boss in self.model.living()
            if boss.plan.policy is not None
        }
        assert (self.world.system.wait(0) is None) == self.model.root.alive

    def expect(self, child: Node) -> tuple[str, ChildStatus, int]:
        """Return the expected view of a child."""
        status = ChildStatus.RUNNING if child.alive else ChildStatus.STOPPED
        return child.name, status, self.model.incarnations[child.name]


class Part(Worker):
    """A worker whose start can be made to fail."""

    def __init__(self, context: ActorContext, *, tree: Tree) -> None:
        super().__init__(context)
        self.tree = tree

    def on_start(self) -> None:
        """Start, or fail."""
        name = self.context.name
        if self.tree.failing[name]:
            self.tree.failing[name] -= 1
            raise ValueError("it doesn't start")
        self.tree.log.append(("begin", name, self.context.incarnation, ""))


@pytest.mark.timeout(300)
def test_supervisors_do_as_the_model() -> None:
    run_state_machine_as_test(
        Tree,
        settings=settings(
            max_examples=100,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
