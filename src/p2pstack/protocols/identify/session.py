"""Reading a description.

=======  ================================  ==========================  =======
state    on                                then                        state
=======  ================================  ==========================  =======
OPEN     a message, up to 10               merge it                    OPEN
OPEN     the 11th message                  `RemoteProtocolError`       FAILED
OPEN     a message above 8 KiB             `RemoteProtocolError`       FAILED
OPEN     the end, after a message          the description             DONE
OPEN     the end, before or within one     `RemoteProtocolError`       FAILED
=======  ================================  ==========================  =======
"""

from p2pstack.errors import RemoteProtocolError
from p2pstack.protocols.identify.messages import PeerDescription
from p2pstack.wire.framing import FrameDecoder
from p2pstack.wire.pb.identify_pb2 import Identify as Message
from p2pstack.wire.protobuf import parse

__all__ = ["MAX_MESSAGE", "MAX_MESSAGES", "Reader"]

#: bytes of one message
MAX_MESSAGE = 8_192
#: messages that one description may come in
MAX_MESSAGES = 10


class Reader:
    """Merges the messages of one description."""

    __slots__ = ("_count", "_decoder", "_message")

    def __init__(self) -> None:
        self._decoder = FrameDecoder(limit=MAX_MESSAGE, what="identify message")
        self._message = Message()
        self._count = 0

    def receive_data(self, data: bytes) -> None:
        """Take bytes as they came, cut anywhere.

        :raises RemoteProtocolError: too large, too many, or no messages
        """
        self._decoder.receive_data(data)
        while (frame := self._decoder.next_frame()) is not None:
            if self._count == MAX_MESSAGES:
                raise RemoteProtocolError(f"identify: expected at most {MAX_MESSAGES} messages, got more")
            self._count += 1
            self._message.MergeFrom(parse(Message, frame, what="identify message"))

    def receive_eof(self) -> PeerDescription:
        """The peer has told all.

        :raises RemoteProtocolError: that is nothing, or half a message, or has a malformed key
        """
        rest = self._decoder.surplus
        if rest or not self._count:
            raise RemoteProtocolError(
                f"identify: expected a message, got the end of the stream {len(rest)} bytes into it"
            )
        return PeerDescription.from_message(self._message)
