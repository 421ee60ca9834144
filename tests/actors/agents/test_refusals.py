"""Refused tools, and the rules that would have allowed them."""

import pytest
import yaml

from actors.agents.front_matter import read_front_matter
from actors.agents.refusals import describe_refusals, rules_for
from actors.protocol.sessions import Refusal


@pytest.mark.parametrize(
    ("tool", "given", "rules"),
    [
        ("Bash", "npm test", ["Bash(npm test:*)"]),
        ("Bash", "npm test -- --watch=false", ["Bash(npm test:*)"]),
        ("Bash", "ls -l /tmp", ["Bash(ls:*)"]),
        (
            "Bash",
            "cd web && npm run build; echo done",
            ["Bash(cd web:*)", "Bash(npm run:*)", "Bash(echo done:*)"],
        ),
        ("Bash", 'git commit -m "a; b && c"', ["Bash(git commit:*)"]),
        ("Bash", "cat a.txt | wc -l > n", ["Bash(cat:*)", "Bash(wc:*)"]),
        ("Bash", "sudo apt-get install jq", ["Bash(sudo apt-get install jq)"]),
        ("Bash", "sh -c 'touch x'", ["Bash"]),
        ("Bash", "echo $(id)", ["Bash"]),
        ("Bash", "A=1 make", ["Bash"]),
        ("Bash", "echo 'unclosed", ["Bash"]),
        ("Bash", "", ["Bash"]),
        ("Write", "/srv/shop/README.md", ["Edit(//srv/shop/**)"]),
        ("Read", "/etc/hosts", ["Read(//etc/**)"]),
        ("Write", "relative.md", ["Write"]),
        ("WebFetch", "https://example.org/a?b", ["WebFetch(domain:example.org)"]),
        ("WebSearch", "weather", ["WebSearch"]),
        ("mcp__shop__order", "", ["mcp__shop__order"]),
    ],
)
def test_the_rule_is_no_wider_than_its_like(tool: str, given: str, rules: list[str]) -> None:
    assert list(rules_for(Refusal(tool=tool, input=given))) == rules


def test_what_was_refused_is_said_with_what_allows_it() -> None:
    refused = (
        Refusal(tool="Bash", input="npm test"),
        Refusal(tool="WebSearch"),
        Refusal(tool="Bash", input="npm test"),
    )
    assert describe_refusals("coding-agent", refused) == (
        "claude was refused Bash: `npm test`, WebSearch; allow it with `allowed_tools: Bash(npm test:*), WebSearch`"
        " in prompts/coding-agent.md"
    )


def test_what_is_said_is_bounded_and_on_one_line() -> None:
    said = describe_refusals(
        "coder", [Refusal(tool="Bash", input=f"echo {n}\n\x1b[31m`" + "x" * 900) for n in range(9)]
    )
    assert len(said) < 1500
    assert said.isprintable()
    assert "6 more" in said


@pytest.mark.parametrize(
    "given", ["npm test", "docker compose up # now", "git log: x", "cd a && ls", "grep -r x ."]
)
def test_the_line_that_is_advised_can_be_pasted_into_the_front_matter(given: str) -> None:
    refusal = Refusal(tool="Bash", input=given)
    line = describe_refusals("coder", [refusal]).split("`")[3]
    assert read_front_matter(f"\n{line}\n") == {"allowed_tools": tuple(rules_for(refusal))}
    assert list(yaml.safe_load(line)) == ["allowed_tools"]
