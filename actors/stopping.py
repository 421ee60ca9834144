"""How long each part may take to stop, in seconds; people and systemd wait for all of it.

The parts stop one after the other, the sessions all at once. Each figure holds those that it is made of: nobody is
given less than it may need, for then it would be abandoned, with its processes.
"""

from supervisors import Strategy, time_to_stop

SLACK = 0.2
"""Between the last thing that an actor waits for and its own end."""
CLAUDE = 1.6
"""From SIGTERM to SIGKILL; a claude takes 0.1 s, and ends its tools."""
TOOLS = 0.8
"""What is left of a session, from SIGKILL on."""
HTTP = 1.2
"""The gateway's server, with the requests that are under way."""
BACKEND_PROCESS = 1.9
"""The embedded backend, from SIGTERM to SIGKILL; it takes 0.9 s."""

SESSION = CLAUDE + TOOLS + SLACK
SESSIONS = time_to_stop(Strategy.SIMPLE_ONE_FOR_ONE, [SESSION])
GATEWAY = HTTP + SLACK
BACKEND = BACKEND_PROCESS + SLACK
CONNECTION = 0.6
ROUTER = 1.4
WORKDIR = 0.6

ALL = time_to_stop(Strategy.ONE_FOR_ONE, [CONNECTION, SESSIONS, GATEWAY, ROUTER, WORKDIR, BACKEND])
"""Everything."""
