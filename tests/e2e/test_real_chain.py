"""Tests of the whole chain with the real claude: every context reaches the model exactly once."""

import json
from pathlib import Path

import pytest

from actors.scripted_claude.play import COMPLETE
from tests.e2e.conftest import Make
from tools.common.model_api import ModelApi

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]


def play(summary: str, insight: str, *, before: str | None = None) -> str:
    """Return details that make the double complete the subtask with this summary and insight."""
    steps: list[dict[str, object]] = [{"say": "Working on it."}]
    if before:
        steps.append({"bash": before})
    steps.append(
        {"complete": {"completion_summary": summary, "insights_found": [insight], "files_modified": ["x.py"]}}
    )
    return "@play " + json.dumps(steps)


def assert_told_once(api: ModelApi, delivery_ids: list[str]) -> None:
    for delivery_id in delivery_ids:
        assert api.told(f"delivery={delivery_id}") == 1


def test_the_three_step_chain(make_real: Make, api: ModelApi) -> None:
    product = make_real()
    ids = product.create(
        "Build Auth System",
        {
            "key": "A",
            "title": "Design schema",
            "agent": "architect-agent",
            "details": play("Five tables.", "Use UUIDs."),
        },
        {
            "key": "B",
            "title": "Implement JWT",
            "agent": "coding-agent",
            "depends_on": ["A"],
            "details": play("JWT done.", "HS256."),
        },
        {
            "key": "C",
            "title": "Write tests",
            "agent": "test-agent",
            "depends_on": ["B"],
            "details": play("Tests pass.", "90 %."),
        },
    )
    product.wait_completed(*ids.values(), seconds=90)
    product.wait_idle("architect-agent", "coding-agent", "test-agent")
    deliveries = product.deliveries()
    assert [(each["agent"], each["kind"]) for each in deliveries] == [
        ("architect-agent", "task_ready"),
        ("coding-agent", "dependency_completed"),
        ("test-agent", "dependency_completed"),
    ]
    assert_told_once(api, [each["id"] for each in deliveries])
    (to_coding,) = [text for text in api.user_texts() if f"delivery={deliveries[1]['id']}" in text]
    assert "> Five tables." in to_coding
    assert "> - Use UUIDs." in to_coding
    (to_test,) = [text for text in api.user_texts() if f"delivery={deliveries[2]['id']}" in text]
    assert "> JWT done." in to_test
    assert "> - HS256." in to_test


def test_a_diamond_waits_for_both_and_tells_both(make_real: Make, api: ModelApi) -> None:
    product = make_real()
    ids = product.create(
        "Diamond",
        {"key": "A", "title": "A", "agent": "architect-agent", "details": play("result of A", "insight A")},
        {
            "key": "B",
            "title": "B",
            "agent": "coding-agent",
            "depends_on": ["A"],
            "details": play("result of B", "insight B"),
        },
        {
            "key": "C",
            "title": "C",
            "agent": "debug-agent",
            "depends_on": ["A"],
            "details": play("result of C", "insight C"),
        },
        {
            "key": "D",
            "title": "D",
            "agent": "review-agent",
            "depends_on": ["B", "C"],
            "details": play("result of D", "insight D"),
        },
    )
    product.wait_completed(*ids.values(), seconds=90)
    product.wait_idle("review-agent")
    assert_told_once(api, [each["id"] for each in product.deliveries()])
    (delivery,) = product.deliveries(agent="review-agent")
    (text,) = [text for text in api.user_texts() if f"delivery={delivery['id']}" in text]
    for told in ("> result of B", "> result of C", "> - insight B", "> - insight C"):
        assert told in text
    assert "result of A" not in text


def test_five_dependents_of_one_upstream_at_once(make_real: Make, api: ModelApi) -> None:
    product = make_real()
    agents = ("coding-agent", "test-agent", "review-agent", "debug-agent", "architect-agent")
    ids = product.create(
        "Fan",
        {"key": "A", "title": "A", "agent": "architect-agent", "details": play("result of A", "insight A")},
        *(
            {
                "key": f"D{n}",
                "title": f"D{n}",
                "agent": agent,
                "depends_on": ["A"],
                "details": play(f"result {n}", "i"),
            }
            for n, agent in enumerate(agents)
        ),
    )
    product.wait_completed(*ids.values(), seconds=100)
    product.wait_idle(*agents)
    fan = [each for each in product.deliveries() if each["kind"] == "dependency_completed"]
    assert sorted(each["agent"] for each in fan) == sorted(agents)
    assert_told_once(api, [each["id"] for each in fan])
    for each in fan:
        (text,) = [text for text in api.user_texts() if f"delivery={each['id']}" in text]
        assert "> result of A" in text


def test_two_subtasks_for_one_agent_go_into_one_session_in_order(make_real: Make, api: ModelApi) -> None:
    product = make_real()
    ids = product.create(
        "Two",
        {
            "key": "one",
            "title": "one",
            "agent": "coding-agent",
            "details": play("first", "i", before="echo working"),
        },
        {"key": "two", "title": "two", "agent": "coding-agent", "details": play("second", "i")},
    )
    product.wait_completed(*ids.values(), seconds=90)
    product.wait_idle("coding-agent")
    deliveries = product.deliveries()
    assert [each["subtask_id"] for each in deliveries] == [ids["one"], ids["two"]]
    assert_told_once(api, [each["id"] for each in deliveries])
    assert len({request.session for request in api.turns()}) == 1
    # The second came only after the first was reported
    assert deliveries[1]["written_at"] >= product.node(ids["one"])["times"]["closed"]


def test_an_agent_without_tools_may_write_its_result_file(make_real: Make) -> None:
    product = make_real()
    result = json.dumps({"status": "success", "completion_summary": "from the file"})
    path = product.work.result_file("S-1", "coding-agent")
    steps = [{"write": {"file_path": str(path), "content": result}}]
    details = "@play " + json.dumps(steps)
    product.create("T", {"key": "S", "id": "S-1", "title": "S", "agent": "coding-agent", "details": details})
    product.wait_completed("S-1")
    assert product.node("S-1")["summary"] == "from the file"
    product.wait_idle("coding-agent")
    assert [each["kind"] for each in product.deliveries()] == ["task_ready"]


@pytest.mark.parametrize(
    "path",
    ["journal-of-mine.txt", "task_result_X.json", "results/test-agent/task_result_X.json", "context/x.md"],
)
def test_a_tool_that_is_refused_blocks_the_subtask_with_its_name(make_real: Make, path: str) -> None:
    product = make_real()
    elsewhere = product.settings.work_dir / path
    details = "@play " + json.dumps([{"write": {"file_path": str(elsewhere), "content": "x"}}])
    ids = product.create("T", {"key": "S", "title": "S", "agent": "coding-agent", "details": details})
    product.wait_for(lambda event: event["event_type"] == "subtask.blocked")
    assert product.node(ids["S"])["state"] == "blocked"
    assert "claude was refused Write" in product.node(ids["S"])["reason"]
    assert not elsewhere.exists()


def test_a_long_context_lies_in_a_file_that_may_be_read_without_asking(
    make_real: Make, api: ModelApi
) -> None:
    product = make_real(max_context_bytes=5000)
    (product.work.context / "some.md").write_text("the whole of it")
    reading = [
        {"call": {"tool": "Read", "input": {"file_path": str(product.work.context / "some.md")}}},
        {"complete": {}},
    ]
    ids = product.create(
        "Long",
        {"key": "A", "title": "A", "agent": "architect-agent", "details": play("a " * 1500, "insight A")},
        {"key": "B", "title": "B", "agent": "debug-agent", "details": play("b " * 1500, "insight B")},
        {
            "key": "C",
            "title": "C",
            "agent": "coding-agent",
            "depends_on": ["A", "B"],
            "details": "@play " + json.dumps(reading),
        },
    )
    product.wait_completed(*ids.values(), seconds=60)
    product.wait_idle("coding-agent")
    (delivery,) = product.deliveries(agent="coding-agent")
    whole = (product.work.context / f"{delivery['id']}.md").read_text()
    assert "a " * 1500 in whole
    assert "b " * 1500 in whole
    (text,) = [text for text in api.user_texts() if f"delivery={delivery['id']}" in text]
    assert f"{delivery['id']}.md" in text
    assert len(text.encode()) < 8000
    assert any(
        "the whole of it" in json.dumps(result) for turn in api.turns() for result in turn.tool_results
    )


def test_a_build_in_the_background_completes_its_own_subtask_and_the_next_waits_for_it(
    make_real: Make, api: ModelApi, gate: Path
) -> None:
    # Given a subtask whose build goes on after the turn, and is reported without an id when it ends
    report = {"tool": COMPLETE, "input": {"completion_summary": "built"}}
    command = f"until [ -e {gate} ]; do sleep 0.05; done; echo BUILD-OK"
    details = "@play " + json.dumps([{"background": command}, {"say": "I go on when it is over."}])
    details += "\n@wake " + json.dumps([{"call": report}, {"say": "It is over."}])
    product = make_real()
    ids = product.create(
        "Builds",
        {"key": "A", "title": "A", "agent": "coding-agent", "details": details},
        {"key": "B", "title": "B", "agent": "coding-agent", "details": play("B is done", "b")},
        {
            "key": "C",
            "title": "C",
            "agent": "test-agent",
            "depends_on": ["A"],
            "details": play("C is done", "c"),
        },
    )
    # When the turn has ended, then nothing is handed over or reminded, and it is shown what runs
    product.wait_for(
        lambda event: (
            event["event_type"] == "session.working"
            and "runs in the background" in str(event["payload"].get("detail"))
        )
    )
    assert [each["kind"] for each in product.deliveries(agent="coding-agent")] == ["task_ready", "task_ready"]
    assert product.node(ids["B"])["state"] == "ready"
    gate.touch()
    # Then the build's end is A's
    product.wait_completed(*ids.values(), seconds=90)
    assert product.node(ids["A"])["summary"] == "built"
    assert product.node(ids["B"])["summary"] == "B is done"
    assert [each["kind"] for each in product.deliveries(agent="coding-agent")] == ["task_ready", "task_ready"]
    assert_told_once(api, [each["id"] for each in product.deliveries()])


def test_a_hook_that_refuses_blocks_the_agent_and_delivers_nothing(
    make_real: Make, api: ModelApi, tmp_path: Path
) -> None:
    product = make_real()
    settings = tmp_path / "home" / ".claude" / "settings.json"
    settings.parent.mkdir(exist_ok=True)
    hook = {"type": "command", "command": "echo nope >&2; exit 2"}
    settings.write_text(json.dumps({"hooks": {"UserPromptSubmit": [{"hooks": [hook]}]}}))
    ids = product.create(
        "T", {"key": "A", "title": "A", "agent": "coding-agent", "details": play("done", "a")}
    )
    product.wait_for(lambda event: event["event_type"] == "subtask.blocked")
    assert product.node(ids["A"])["reason"] == "a hook refused a message: nope"
    (delivery,) = product.deliveries()
    assert delivery["state"] in ("written", "accepted")
    assert api.turns() == []
    # When the hook is gone, and a person says so
    settings.unlink()
    product.operate("/api/agents/coding-agent/start", {})
    product.wait_completed(ids["A"], seconds=90)
    assert_told_once(api, [delivery["id"]])
