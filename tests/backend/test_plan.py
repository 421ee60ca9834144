"""Tests of plans, with every mistake and its line."""

import pytest

from backend.plan import PlanError, default_plan, read_plan


def test_a_plan_is_a_list_of_steps() -> None:
    plan = read_plan(
        "- title: Design\n  agent: '@architect-agent'\n  key: d\n  details: |\n    Two\n    lines\n"
        "- title: Code\n  agent: coding-agent\n  depends_on: [Design]\n"
        "- {title: Test, agent: test-agent, depends_on: [d, Code]}\n"
    )
    assert plan.agents() == ["architect-agent", "coding-agent", "test-agent"]
    assert plan.steps[0].details == "Two\nlines\n"
    assert plan.waits_for() == [[], [0], [0, 1]]


def test_a_step_takes_the_names_of_the_other_interfaces() -> None:
    plan = read_plan(
        "- {title: a, assignees: ['@coder', tester, coder]}\n- {title: b, agent: coder, dependencies: a}\n"
        "- {title: c, agent: [coder], depends_on: [a, b]}\n- {title: d, assignees: coder}\n"
    )
    assert [step.agents for step in plan.steps] == [("coder", "tester"), ("coder",), ("coder",), ("coder",)]
    assert plan.waits_for() == [[], [0], [0, 1], []]


def test_a_plan_may_have_a_title() -> None:
    plan = read_plan("title: All\ndetails: of it\nsubtasks:\n- title: a\n  agent: x\n")
    assert (plan.title, plan.details, len(plan.steps)) == ("All", "of it", 1)


def test_the_default_plan_is_a_chain() -> None:
    plan = default_plan("Build auth\nwith care")
    assert [(*step.agents, step.title) for step in plan.steps] == [
        ("architect-agent", "Design: Build auth"),
        ("coding-agent", "Implement: Build auth"),
        ("test-agent", "Write tests: Build auth"),
    ]
    assert plan.waits_for() == [[], [0], [1]]
    assert all("with care" in step.details for step in plan.steps)


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("", ["line 1: a plan is a list of steps, or a mapping with title and subtasks"]),
        ("just words", ["line 1: a plan is a list of steps, or a mapping with title and subtasks"]),
        ("[]", ["line 1: the steps must be a list with at least one step"]),
        ("title: x\n", ["line 1: the plan has no subtasks"]),
        ("title: x\nsubtasks: soon\n", ["line 2: the steps must be a list with at least one step"]),
        (
            "steps: []\nsubtasks: [{title: a, agent: x}]",
            ["line 1: unknown key 'steps' (the keys of the plan: title, details, subtasks)"],
        ),
        ("- title: a\n  agent: x\n- b\n", ["line 3: a step is a mapping with a title and an agent"]),
        ("- agent: x\n", ["line 1: the step has no title"]),
        ("- title: a\n", ["line 1: the step has no agent"]),
        ("- {title: a, agent: x, assignees: y}\n", ["line 1: agent is given twice"]),
        ("- {title: a, agent: []}\n", ["line 1: the step has no agent"]),
        ("- {title: a, agent: [x, 7]}\n", ["line 1: agent must be text, not int (put it in quotes)"]),
        (
            "- title: a\n  agent: x\n  after: b\n",
            ["line 3: unknown key 'after' (the keys of a step: title, agent, details, depends_on, key)"],
        ),
        ("- title: a\n  agent: x\n  title: b\n", ["line 3: title is given twice"]),
        ("- title: 7\n  agent: x\n", ["line 1: title must be text, not int (put it in quotes)"]),
        ("- title: [a]\n  agent: x\n", ["line 1: title must be text, not seq (put it in quotes)"]),
        (
            "- title: a\n  agent: x\n  details:\n",
            ["line 3: details must be text, not null (put it in quotes)"],
        ),
        ("- title: ' '\n  agent: x\n", ["line 1: title is empty"]),
        ("- title: a\n  agent: two words\n", ["line 2: 'two words' can't be an agent's name"]),
        (
            "- title: a\n  agent: x\n  depends_on: b\n",
            ["line 1: 'a' depends on 'b', which is no step"],
        ),
        (
            "- title: a\n  agent: x\n  depends_on:\n  - b\n",
            ["line 1: 'a' depends on 'b', which is no step"],
        ),
        (
            "- title: a\n  agent: x\n- title: a\n  agent: x\n",
            ["line 3: 'a' names the step on line 1 too"],
        ),
        (
            "- title: a\n  agent: x\n- title: b\n  key: a\n  agent: x\n",
            ["line 3: 'a' names the step on line 1 too"],
        ),
        (
            (
                "- {title: a, agent: x, depends_on: [c]}\n- {title: b, agent: x, depends_on: [a]}\n"
                "- {title: c, key: k, agent: x, depends_on: [b]}\n"
            ),
            ["line 1: each waits for the next: a → c → b → a"],
        ),
        (
            "- {title: a, agent: x, depends_on: [a]}",
            ["line 1: each waits for the next: a → a"],
        ),
        (
            "- title: a\n  agent: [\n",
            ["line 3: not YAML: expected the node content, but found '<stream end>'"],
        ),
        ("- a\n---\n- b\n", ["line 2: not YAML: but found another document"]),
        ("- a: *b\n", ["line 1: not YAML: found undefined alias 'b'"]),
        (
            "- a\n- \x00\n",
            ["line 2: not YAML: a character that it forbids (special characters are not allowed)"],
        ),
        ("[" * 100_000, ["line 1: nested too deeply for a plan"]),
    ],
)
def test_a_mistake_is_named_with_its_line(text: str, problems: list[str]) -> None:
    with pytest.raises(PlanError) as refused:
        read_plan(text)
    assert list(refused.value.problems) == problems


def test_all_mistakes_are_named_at_once() -> None:
    with pytest.raises(PlanError) as refused:
        read_plan("- titel: a\n  agent: x\n- title: b\n  depends_on: [a, 3]\n- title: b\n  agent: x\n")
    assert [problem.partition(":")[0] for problem in refused.value.problems] == [
        "line 1",
        "line 1",
        "line 3",
        "line 3",
        "line 3",
        "line 4",
        "line 5",
    ]


def test_what_is_no_text_is_not_made_into_one() -> None:
    """Use values that are nested deeply, or contain themselves a thousand times."""
    with pytest.raises(PlanError) as refused:
        read_plan("- agent: x\n  title: " + '{"a":' * 200 + "1" + "}" * 200)
    assert refused.value.problems == ("line 2: title must be text, not map (put it in quotes)",)
