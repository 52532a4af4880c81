"""The course of a call, for either side: what may come when.

==========  =======================================  ====================================================
state       the other side may send                  we may
==========  =======================================  ====================================================
`CALLING`   `Ringing`, `Accept`, `Decline`, `Bye`    hang up           (we called, and nobody has answered)
`RINGING`   as above; `Bye` where it is us they      accept, decline, hang up       (somebody is thinking)
            call
`TALKING`   `Frame`, `Ping`, `Pong`, `Bye`           send those
`OVER`      nothing                                  nothing
==========  =======================================  ====================================================
"""

from enum import Enum

from p2pstack import LocalProtocolError, RemoteProtocolError
from p2pstack.apps.call.messages import Accept, Bye, Decline, Frame, Message, Ping, Pong, Ringing

__all__ = ["CallSession", "State"]


class State(Enum):
    """Where a call is."""

    CALLING = "calling"
    RINGING = "ringing"
    TALKING = "talking"
    OVER = "over"


_ANSWERS = (Ringing, Accept, Decline, Bye)
_TALK = (Frame, Ping, Pong, Bye)


class CallSession:
    """One call. It begins when the offer has been sent or received.

    :param caller: whether it was us who called
    """

    __slots__ = ("_caller", "over_because", "state")

    def __init__(self, *, caller: bool) -> None:
        self._caller = caller
        self.state = State.CALLING if caller else State.RINGING
        #: why it is over, for a person
        self.over_because = ""

    def receive(self, message: Message) -> None:
        """Take what the other side sent.

        :raises RemoteProtocolError: not now
        """
        match self.state:
            case State.CALLING:
                allowed = _ANSWERS
            case State.RINGING:
                allowed = _ANSWERS if self._caller else (Bye,)
            case State.TALKING:
                allowed = _TALK
            case State.OVER:
                allowed = ()
        if not isinstance(message, allowed):
            kinds = ", ".join(kind.__name__ for kind in allowed) or "nothing"
            raise RemoteProtocolError(f"call: expected {kinds} while {self.state.value}, got {type(message).__name__}")
        match message:
            case Ringing():
                self.state = State.RINGING
            case Accept():
                self.state = State.TALKING
            case Decline(reason):
                self._end(f"declined: {reason}" if reason else "declined")
            case Bye():
                self._end("the other side hung up")
            case _:
                pass

    def accept(self) -> None:
        """We take the call.

        :raises LocalProtocolError: there is none to take
        """
        if self._caller or self.state is not State.RINGING:
            raise LocalProtocolError(f"call: there is nothing to accept while {self.state.value}")
        self.state = State.TALKING

    def hang_up(self, because: str) -> None:
        """It is over, if it is not already."""
        if self.state is not State.OVER:
            self._end(because)

    def _end(self, because: str) -> None:
        self.state = State.OVER
        self.over_because = because
