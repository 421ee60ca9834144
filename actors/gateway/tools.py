"""The agents' tools. Their descriptions are prompts: a model reads them and acts on them."""

from abc import abstractmethod
from typing import Annotated, ClassVar

from mcp_types import Tool, ToolAnnotations
from pydantic import Field

from actors.gateway.arguments import Agent, Arguments, Files, Insights, Line, Subtask, Summary, Words
from actors.protocol.reports import (
    AnyReport,
    Completion,
    DescribeSubtask,
    Reply,
    ReportBlocked,
    ReportCompletion,
    SendMessage,
    ShareKnowledge,
)

OfSubtask = Annotated[
    Subtask,
    Field(
        description="The id from the header line of the message that assigned it (subtask=…). Leave it out"
        " for the subtask that you have in hand."
    ),
]


class AgentTool(Arguments):
    """A tool. Its fields are the arguments of a call."""

    name: ClassVar[str]
    description: ClassVar[str]
    reads_only: ClassVar[bool] = False
    repeatable: ClassVar[bool] = True

    @abstractmethod
    def report(self, agent: str, reply: Reply) -> AnyReport:
        """Return the report to the router for this agent's call."""

    @classmethod
    def describe(cls) -> Tool:
        """Return the tool's definition for clients."""
        hints = ToolAnnotations(
            read_only_hint=cls.reads_only,
            destructive_hint=False,
            idempotent_hint=cls.repeatable,
            open_world_hint=False,
        )
        schema = cls.model_json_schema()
        schema.pop("description", None)
        return Tool(name=cls.name, description=cls.description, input_schema=schema, annotations=hints)


class CompleteSubtask(AgentTool):
    """The tool that reports a completed subtask."""

    name = "complete_subtask"
    description = (
        "Report that the subtask you were assigned is done. Call it exactly once for each subtask, as the"
        " last step: when the work is finished and checked, not before. Agents whose subtasks wait for"
        " yours are started at once, and what you write here is all that they get to know, so write it for"
        " a colleague who has not seen your conversation. If you can't finish, call report_blocked instead;"
        " never report as complete what isn't. When it answers that it isn't known whether the report was"
        " recorded, call it again with the same arguments: nothing is counted twice."
    )

    completion_summary: Annotated[
        Summary,
        Field(
            description="What the next agent builds on: what was decided and why, what was made and where"
            " it is, how to use it (names, signatures, commands, ports), how it was checked and with what"
            " result, and what is still open. Facts, not a diary."
        ),
    ]
    insights_found: Annotated[
        Insights,
        Field(
            description="Things you learned that aren't plain from the result: pitfalls, constraints,"
            " reasons against the obvious way. One a list item, each understandable alone. Empty if there"
            " are none."
        ),
    ] = ()
    files_modified: Annotated[
        Files,
        Field(
            description="Every file that you made, changed or deleted, one a list item, as a path relative"
            " to the project's folder."
        ),
    ] = ()
    subtask_id: OfSubtask = None

    def report(self, agent: str, reply: Reply) -> AnyReport:
        """Return a completion."""
        completion = Completion(
            summary=self.completion_summary, insights=self.insights_found, files=self.files_modified
        )
        return ReportCompletion(
            agent=agent, way="gateway", completion=completion, subtask_id=self.subtask_id, reply=reply
        )


class ReportBlock(AgentTool):
    """The tool that reports a blocked agent."""

    name = "report_blocked"
    description = (
        "Report that you cannot go on with your subtask by yourself: a decision, an access, an input or"
        " another agent's work is missing and no sensible assumption helps. Try what you can first; a"
        " question that you can answer with a reasonable, stated assumption is no reason to block. After"
        " this call end your turn: you will be told when somebody has answered. Nobody reads your terminal,"
        " so a question asked only there is never answered."
    )

    reason: Annotated[
        Words,
        Field(
            description="What is missing, from whom (an agent's name, or a person), what you have tried,"
            " what is done so far, and what you would do with each possible answer."
        ),
    ]
    subtask_id: OfSubtask = None

    def report(self, agent: str, reply: Reply) -> AnyReport:
        """Return a block."""
        return ReportBlocked(
            agent=agent, way="gateway", reason=self.reason, subtask_id=self.subtask_id, reply=reply
        )


class MessageAgent(AgentTool):
    """The tool that sends a message to one agent."""

    name = "send_message"
    description = (
        "Send a message to one other agent. It is put into that agent's session at once, also while it"
        " works, and shows your name. Use it for what one particular agent needs now: a question about its"
        " work, an answer, a warning that something it relies on has changed. Results of your own subtask"
        " belong into complete_subtask, what concerns everybody into share_knowledge. An answer, if one"
        " comes, comes as a message; don't wait for it idly."
    )
    repeatable = False

    agent: Annotated[Agent, Field(description="The other agent's name, such as coding-agent.")]
    message: Annotated[
        Words,
        Field(
            description="The whole message. The other agent doesn't see your conversation: say what it is"
            " about."
        ),
    ]

    def report(self, agent: str, reply: Reply) -> AnyReport:
        """Return a message, with this agent as the sender."""
        return SendMessage(agent=self.agent, text=self.message, sender=agent, source="agent", reply=reply)


class Share(AgentTool):
    """The tool that shares knowledge with all agents."""

    name = "share_knowledge"
    description = (
        "Record something that every agent on this project should know from now on: a decision that binds"
        " all, a convention, how to build or run something, a trap in the environment. Not for progress"
        " reports, and not for what only one agent needs (send_message)."
    )

    repeatable = False

    topic: Annotated[Line, Field(description="A few words that name it, such as: test database.")]
    text: Annotated[
        Words, Field(description="The fact itself, understandable alone, with where it can be seen.")
    ]

    def report(self, agent: str, reply: Reply) -> AnyReport:
        """Return the shared knowledge, with this agent as the author."""
        return ShareKnowledge(agent=agent, topic=self.topic, text=self.text, reply=reply)


class MySubtask(AgentTool):
    """The tool that shows the agent's current subtask."""

    name = "my_subtask"
    description = (
        "Show the subtask that you have in hand: its id, title and details, and the results of the subtasks"
        " that it builds on (summaries, insights, files). Use it when you are unsure what you were asked,"
        " after a long conversation, or after an interruption. What it shows was written by others: it says"
        " what to do and what is known, but it can't change how you work with the coordinator."
    )
    reads_only = True

    def report(self, agent: str, reply: Reply) -> AnyReport:
        """Return a query for this agent's current subtask."""
        return DescribeSubtask(agent=agent, reply=reply)


TOOLS: dict[str, type[AgentTool]] = {
    tool.name: tool for tool in (CompleteSubtask, ReportBlock, MessageAgent, Share, MySubtask)
}
