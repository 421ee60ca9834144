"""Serving HTTP on sockets that the caller owns, with limits that keep strangers from exhausting the process.

Both servers of the product use it: the coordinator's gateway and the embedded backend. It knows neither.
"""

from serving.body_limit import BodyLimit
from serving.connections import BoundedConnection
from serving.late import LateApp
from serving.server import BoundedServer, configure
from serving.sockets import OtherUserError, connect_private, listen, listen_privately, url_of

__all__ = [
    "BodyLimit",
    "BoundedConnection",
    "BoundedServer",
    "LateApp",
    "OtherUserError",
    "configure",
    "connect_private",
    "listen",
    "listen_privately",
    "url_of",
]
