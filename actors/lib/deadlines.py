"""Deadlines for stopping each part, in seconds. People and systemd wait for the total.

The parts stop one after the other, the sessions all at once. Each figure includes those that it is made of: a part
with less time than it may need would be abandoned, with its processes.
"""

from supervisors import Strategy, time_to_stop

SLACK = 0.2
"""The margin between the last thing that an actor waits for and its own end."""
CLAUDE = 1.6
"""From SIGTERM to SIGKILL; a claude takes 0.1 s, and ends its tools."""
TOOLS = 0.5
"""To find a session's leftover processes, and end them by SIGKILL."""
READER = 0.3
"""For the thread that reads claude's output, after claude's end."""
HTTP = 1.0
"""For the gateway's server to finish running requests; waiting ones are ended at once."""
BACKEND_PROCESS = 1.9
"""The embedded backend, from SIGTERM to SIGKILL; it takes 0.9 s."""

SOCKET = 0.4
"""For the thread that talks to the backend. It ends at once, unless it is in a name lookup: nothing can interrupt that,
so the thread is abandoned."""
WATCH = 0.4
"""For the thread that watches for results; it checks for the end every 0.05 s."""

SESSION = CLAUDE + TOOLS + READER + SLACK
SESSIONS = time_to_stop(Strategy.SIMPLE_ONE_FOR_ONE, [SESSION])
GATEWAY = HTTP + SLACK
BACKEND = BACKEND_PROCESS + SLACK
CONNECTION = SOCKET + SLACK
FEED = 0.4
"""For the feed to write what it has. A slower disk loses no more than these last facts."""
ROUTER = 1.2
WORKDIR = WATCH + SLACK

ALL = time_to_stop(Strategy.ONE_FOR_ONE, [CONNECTION, SESSIONS, GATEWAY, FEED, ROUTER, WORKDIR, BACKEND])
"""The total."""
