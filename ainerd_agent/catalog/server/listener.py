"""A socket for a server on this machine alone."""

from __future__ import annotations

import socket

from ainerd_agent.errors import SessionError

HOST = "127.0.0.1"


def listen(port: int) -> socket.socket:
    """Listen on the loopback; 0 takes any free port.

    Raises
    ------
    SessionError
        The port cannot be used.
    """
    # By its full name: asyncio sends small answers at once only on sockets that say TCP, the others wait 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    # The port of a server that was just stopped lingers; this lets the next server have it, not steal a used one.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen()
    except (OSError, OverflowError) as error:
        listener.close()
        raise SessionError(
            f"Port {port} on {HOST} cannot be used ({error}): choose another one, or 0 for any free port."
        ) from error
    return listener
