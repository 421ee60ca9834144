"""A real supervisor against a small model of OTP's rules: any strategy, any children, any order of ends."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from supervisors import ChildInfo, ChildStatus, Intensity, Restart, Strategy, WhichChildren
from tests.supervisors.helpers import World, until

pytestmark = pytest.mark.expected_errors("child_exited")


@dataclass
class ModelChild:
    """A child as the model sees it."""

    name: str
    restart: Restart
    alive: bool = True
    incarnation: int = 1


class Model:
    """What OTP's documentation says, in as few words as possible."""

    def __init__(self, strategy: Strategy, types: list[Restart]) -> None:
        self.strategy = strategy
        self.children = [ModelChild(f"w{number}", restart) for number, restart in enumerate(types)]

    def end(self, child: ModelChild, *, normal: bool) -> None:
        """A child ends by itself."""
        child.alive = False
        if child.restart is Restart.TEMPORARY:
            self.children.remove(child)
        elif child.restart is Restart.PERMANENT or not normal:
            self._restart(child)

    def _restart(self, child: ModelChild) -> None:
        position = self.children.index(child)
        group = {
            Strategy.ONE_FOR_ONE: [child],
            Strategy.REST_FOR_ONE: self.children[position:],
            Strategy.ONE_FOR_ALL: self.children[:],
        }[self.strategy]
        for member in group:
            if member.restart is Restart.TEMPORARY:
                self.children.remove(member)
            else:
                member.alive = True
                member.incarnation += 1

    def view(self) -> list[tuple[str, bool, int]]:
        """What can be compared."""
        return [(child.name, child.alive, child.incarnation) for child in self.children]


def view(world: World) -> list[tuple[str, bool, int]]:
    children: list[ChildInfo] = world.ask("root", WhichChildren())
    return [(child.name, child.status is ChildStatus.RUNNING, child.incarnation) for child in children]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(Strategy),
    st.lists(st.sampled_from(Restart), min_size=1, max_size=4),
    st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=6),
)
def test_the_supervisor_does_as_the_model(
    strategy: Strategy, types: list[Restart], ends: list[tuple[int, bool]]
) -> None:
    world, model = World(), Model(strategy, types)
    workers = [world.worker(f"w{number}", restart=restart) for number, restart in enumerate(types)]
    world.start(*workers, strategy=strategy, intensity=Intensity(1000))
    try:
        for position, normal in ends:
            alive = [child for child in model.children if child.alive]
            if position < len(alive):
                child = alive[position]
                if normal:
                    world.tell(child.name, lambda actor: actor.stop())
                else:
                    world.system.crash(child.name, ValueError("drill"))
                world.wait_exit(child.name, child.incarnation)
                model.end(child, normal=normal)
                until(lambda: view(world) == model.view())
    finally:
        world.system.stop()
    assert len(world.exits) == len({(report.name, report.incarnation) for report in world.exits})
