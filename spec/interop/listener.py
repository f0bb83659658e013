"""The side that is dialed: takes connections on one UDP socket."""

from __future__ import annotations

import asyncio
import ipaddress

from aioquic.buffer import Buffer
from aioquic.quic.packet import QuicPacketType, QuicProtocolVersion, pull_quic_header

import codes
from address import Address
from connection import Connection
from identity import Identity
from quic import Quic

CONNECTIONS = 64
INITIAL_MIN = 1200  # RFC 9000 section 14.1
CONNECTION_ID = 8


class Listener(asyncio.DatagramProtocol):
    """Connections that are up come out of `accepted`."""

    def __init__(self, identity: Identity, instance: bytes):
        self.identity, self.instance = identity, instance
        self.by_id: dict[bytes, Connection] = {}
        self.accepted: asyncio.Queue[Connection] = asyncio.Queue()
        self.transport: asyncio.DatagramTransport | None = None

    @property
    def address(self) -> Address:
        host, port = self.transport.get_extra_info("sockname")[:2]
        return Address(ipaddress.ip_address(host), port, peer=self.identity.peer_id)

    def connection_made(self, transport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr) -> None:
        if not data or not data[0] & 0x40:
            for connection in set(self.by_id.values()):
                connection.answer_probe(data, addr)
            return
        try:
            header = pull_quic_header(Buffer(data=data), host_cid_length=CONNECTION_ID)
        except ValueError:
            return
        connection = self.by_id.get(header.destination_cid)
        if connection is None:
            initial = (
                header.packet_type == QuicPacketType.INITIAL
                and header.version == QuicProtocolVersion.VERSION_1
                and len(data) >= INITIAL_MIN
            )
            if not initial or len(set(self.by_id.values())) == CONNECTIONS:
                return
            connection = self._begin(header.destination_cid)
        # What comes from an address that has not answered is dropped: QUIC sends it again.
        if connection.is_place(addr):
            connection.datagram_received(data, addr)

    def _begin(self, destination: bytes) -> Connection:
        quic = Quic(self.identity, original_destination_connection_id=destination)
        connection = Connection(quic, self.instance)
        connection.connection_made(self.transport)
        for known in (destination, quic.host_cid):
            self.by_id[known] = connection
        connection._connection_id_issued_handler = lambda cid: self.by_id.update({cid: connection})
        connection._connection_id_retired_handler = lambda cid: self.by_id.pop(cid, None)
        connection._connection_terminated_handler = lambda: self._forget(connection)
        connection.up.add_done_callback(lambda up: self._up(connection, up))
        return connection

    def _up(self, connection: Connection, up: asyncio.Future) -> None:
        if not up.cancelled() and up.exception() is None:
            self.accepted.put_nowait(connection)

    def _forget(self, connection: Connection) -> None:
        self.by_id = {cid: other for cid, other in self.by_id.items() if other is not connection}

    def close(self) -> None:
        for connection in set(self.by_id.values()):
            connection.close(codes.DONE, "")
        self.transport.close()


async def listen(identity: Identity, instance: bytes, host: str) -> Listener:
    """A listener at a port of the system's choice."""
    _, listener = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Listener(identity, instance), local_addr=(host, 0)
    )
    return listener
