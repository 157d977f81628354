"""Leaving a group on behalf of members that are dead.

I/O: Kafka, one request of its protocol written by hand.
"""

import socket
import struct

from confluent_kafka.admin import AdminClient

_TIMEOUT_S = 10.0
_UNKNOWN_MEMBER = 25
"""The broker has missed it by itself meanwhile."""


def leave_group(bootstrap: str, group: str) -> None:
    """Leave the group on behalf of its members, which are dead: the broker would miss them after 3 s.

    Source: KIP-848, ConsumerGroupHeartbeat (key 68) with the member epoch -1; no client offers it.
    """
    admin = AdminClient({"bootstrap.servers": bootstrap})
    # Of a group that never was, describing it could ask a coordinator that is not there yet.
    if group not in {each.group_id for each in admin.list_consumer_groups().result(_TIMEOUT_S).valid}:
        return
    members = admin.describe_consumer_groups([group])[group].result(_TIMEOUT_S).members
    host, port = bootstrap.split(",", maxsplit=1)[0].split(":")
    for member in members:
        with socket.create_connection((host, int(port)), _TIMEOUT_S) as wire:
            wire.sendall(_leave(group, member.member_id))
            length = struct.unpack(">i", _exactly(wire, 4))[0]
            answer = _exactly(wire, length)
            # correlation id, no tags, throttle time, error code
            assert struct.unpack_from(">h", answer, 9)[0] in (0, _UNKNOWN_MEMBER), answer


def _leave(group: str, member: str) -> bytes:
    body = struct.pack(">hhih", 68, 0, 1, -1) + b"\x00"
    body += _text(group) + _text(member) + struct.pack(">i", -1)
    body += b"\x00\x00" + struct.pack(">i", -1) + b"\x00\x00\x00\x00"
    return struct.pack(">i", len(body)) + body


def _text(value: str) -> bytes:
    raw = value.encode()
    assert len(raw) < 0x7F, "one byte of length is enough here"
    return bytes([len(raw) + 1]) + raw


def _exactly(wire: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        part = wire.recv(size - len(found))
        assert part, "the broker hung up"
        found += part
    return found
