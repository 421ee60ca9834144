"""How long each part may take to stop, in seconds; people and systemd wait for all of it.

The parts stop one after the other, the sessions all at once. Each figure holds those that it is made of: nobody is
given less than it may need, for then it would be abandoned, with its processes.
"""

from supervisors import Strategy, time_to_stop

SLACK = 0.2
"""Between the last thing that an actor waits for and its own end."""
CLAUDE = 1.6
"""From SIGTERM to SIGKILL; a claude takes 0.1 s, and ends its tools."""
TOOLS = 0.5
"""What is left of a session: to be found, and gone after SIGKILL."""
READER = 0.3
"""The thread that reads what claude says, from claude's end on."""
HTTP = 1.0
"""The gateway's server, with the requests that are under way; those that wait are ended at once."""
BACKEND_PROCESS = 1.9
"""The embedded backend, from SIGTERM to SIGKILL; it takes 0.9 s."""

SOCKET = 0.4
"""The thread that talks to the backend. It ends at once, but for a name lookup, which nothing can cut: that is left."""
WATCH = 0.4
"""The thread that watches for results, which looks up every 0.05 s."""

SESSION = CLAUDE + TOOLS + READER + SLACK
SESSIONS = time_to_stop(Strategy.SIMPLE_ONE_FOR_ONE, [SESSION])
GATEWAY = HTTP + SLACK
BACKEND = BACKEND_PROCESS + SLACK
CONNECTION = SOCKET + SLACK
FEED = 0.4
"""What waits for it is written first. It is for people: if a disk is slower than that, nothing is lost but that."""
ROUTER = 1.2
WORKDIR = WATCH + SLACK

ALL = time_to_stop(Strategy.ONE_FOR_ONE, [CONNECTION, SESSIONS, GATEWAY, FEED, ROUTER, WORKDIR, BACKEND])
"""Everything."""
