"""HTTP/2 without TLS to a container (h2c, prior knowledge), one request at a time on a connection."""

import contextlib
import select
import socket
from collections.abc import Iterator
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings

from reconciler.sandbox.runtime.upstream import Outgoing, Received, UpstreamError

_READ = 256 * 1024
_WINDOW = 16 * 1024 * 1024
_FRAME = 1024 * 1024


class H2Connection:
    """A connection to a container; `usable` until either side ends it."""

    def __init__(self, port: int, timeout: float) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        config = h2.config.H2Configuration(client_side=True, header_encoding="utf-8")
        self._h2 = h2.connection.H2Connection(config)
        # As the settings to begin with: what is assigned one by one is sent with a later frame, if ever.
        codes = h2.settings.SettingCodes
        initial = {codes.INITIAL_WINDOW_SIZE: _WINDOW, codes.MAX_FRAME_SIZE: _FRAME, codes.ENABLE_PUSH: 0}
        self._h2.local_settings = h2.settings.Settings(client=True, initial_values=initial)
        self._h2.max_inbound_frame_size = _FRAME  # taken over from the settings only when they change
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(_WINDOW)
        self.usable = True
        self._flush()

    def close(self) -> None:
        """Drop the connection."""
        self.usable = False
        with contextlib.suppress(OSError):
            self._socket.close()

    def idle(self) -> bool:
        """Whether it can take a request: nothing came meanwhile that ends it."""
        try:
            while self.usable and select.select([self._socket], [], [], 0)[0]:
                self._receive()
        except (UpstreamError, OSError):
            self.close()
        return self.usable

    def exchange(self, outgoing: Outgoing, timeout: float) -> Received:
        """Send a request and return its answer as soon as its headers are here. Raises UpstreamError."""
        self._socket.settimeout(timeout)
        try:
            stream = self._h2.get_next_available_stream_id()
            self._h2.send_headers(stream, _pseudo(outgoing), end_stream=outgoing.body is None)
            self._flush()
            early: list[Any] = []
            if outgoing.body is not None:
                self._send_body(stream, outgoing.body, early)
            return self._answer(stream, early)
        except (OSError, h2.exceptions.ProtocolError) as error:
            self.close()
            if isinstance(error, TimeoutError):
                raise
            raise UpstreamError(str(error)) from error

    def _send_body(self, stream: int, body: Iterator[bytes], early: list[Any]) -> None:
        for piece in body:
            view = memoryview(piece)
            while view:
                while select.select([self._socket], [], [], 0)[0]:
                    early += self._receive()
                if _ended(early):
                    return  # the container answered without wanting the rest
                room = min(self._h2.local_flow_control_window(stream), len(view))
                if room == 0:
                    early += self._receive()
                    continue
                frame = self._h2.max_outbound_frame_size
                for start in range(0, room, frame):
                    self._h2.send_data(stream, bytes(view[start : min(start + frame, room)]))
                view = view[room:]
                self._flush()
        self._h2.end_stream(stream)
        self._flush()

    def _answer(self, stream: int, early: list[Any]) -> Received:
        events = early
        while True:
            for place, event in enumerate(events):
                if isinstance(event, h2.events.ResponseReceived):
                    rest = events[place + 1 :]
                    return _received(event, self._body(stream, rest))
                if isinstance(event, h2.events.StreamReset):
                    self.close()
                    raise UpstreamError("the container reset the request")
            events = self._receive()

    def _body(self, stream: int, events: list[Any]) -> Iterator[bytes]:
        unacknowledged = 0
        complete = False
        try:
            while not complete:
                pieces: list[bytes] = []
                for event in events:
                    if isinstance(event, h2.events.DataReceived):
                        pieces.append(event.data)
                        unacknowledged += event.flow_controlled_length or 0
                    elif isinstance(event, h2.events.StreamEnded):
                        complete = True
                    elif isinstance(event, h2.events.StreamReset) and not complete:
                        # After the end it only says that the rest of the request is not wanted.
                        raise UpstreamError("the container broke off its answer")
                if unacknowledged > _WINDOW // 4 and not complete:
                    self._h2.acknowledge_received_data(unacknowledged, stream)
                    unacknowledged = 0
                    self._flush()
                if pieces:
                    yield b"".join(pieces)
                if not complete:
                    events = self._receive()
            if unacknowledged:
                self._h2.increment_flow_control_window(unacknowledged)
                self._flush()
        finally:
            if not complete:
                self.close()

    def _receive(self) -> list[Any]:
        data = self._socket.recv(_READ)
        if not data:
            self.close()
            raise UpstreamError("the container closed the connection")
        events: list[Any] = list(self._h2.receive_data(data))
        if any(isinstance(event, h2.events.ConnectionTerminated) for event in events):
            self.usable = False
        self._flush()
        return events

    def _flush(self) -> None:
        data = self._h2.data_to_send()
        if data:
            self._socket.sendall(data)


def _ended(events: list[Any]) -> bool:
    return any(isinstance(event, h2.events.StreamEnded | h2.events.StreamReset) for event in events)


def _pseudo(outgoing: Outgoing) -> list[tuple[str, str]]:
    first = [
        (":method", outgoing.method),
        (":scheme", "https"),
        (":authority", outgoing.host),
        (":path", outgoing.target),
    ]
    return first + [(name.lower(), value.strip()) for name, value in outgoing.headers]


def _received(event: h2.events.ResponseReceived, body: Iterator[bytes]) -> Received:
    headers = [(str(name), str(value)) for name, value in event.headers or ()]
    status = int(next(value for name, value in headers if name == ":status"))
    return Received(status, [(name, value) for name, value in headers if not name.startswith(":")], body)
