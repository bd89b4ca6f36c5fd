"""How a listening socket ends without a loss: no new connection is begun, those that are begun can still be taken.

When a listener is closed, the kernel resets what waits in its queue. Between the last look at the queue and the end
of the socket a connection may come to it, whose client has its request on the way already. A filter in the kernel
closes that gap: it drops the packets that ask for a new connection. Their senders ask again a second later, and are
told then that nobody listens, or reach whoever does by then.
"""

import contextlib
import ctypes
import socket
import struct

__all__ = ["begin_no_more"]

SO_ATTACH_FILTER = 26
FLAGS = 13  # of the TCP header, with which the packet begins for a filter of a TCP socket
SYN, SYN_ACK = 0x02, 0x12
# A program of classic BPF: load the flags, keep SYN and ACK, drop (0) what is SYN alone, pass on all else.
PROGRAM = (
    (0x30, 0, 0, FLAGS),
    (0x54, 0, 0, SYN_ACK),
    (0x15, 0, 1, SYN),
    (0x06, 0, 0, 0),
    (0x06, 0, 0, 0xFFFFFFFF),
)


def begin_no_more(listener: socket.socket) -> None:
    """Let no new connection begin at a listener, whichever process holds it; it cannot be undone.

    Where the kernel has no such filters all stays as it is.
    """
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in PROGRAM))
    program = struct.pack("HL", len(PROGRAM), ctypes.addressof(code))
    with contextlib.suppress(OSError):
        listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
