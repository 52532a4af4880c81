"""Who is in a room, and what to call them.

=============================  ========================================================================================
a presence is heard            its peer is here until its `ttl` is over; in a small room a newcomer brings our own
                               announcement forward, so that it soon knows us too
a presence with a `ttl` of 0   its peer leaves
a `ttl` ends                   its peer has left without a word
=============================  ========================================================================================

Announcements go to all, so that a room of `n` has `n` times as many as one of its members makes. All of a room together
therefore make about `RATE` a second: who is in a large one makes fewer, each for a longer time.

A name belongs to nobody. Where two use the same one, in the room or in its history, both are shown with the end of
their peer id behind it, which nobody can choose: `ann#x7Qk2f`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from p2pstack import LocalProtocolError, PeerId
from p2pstack.apps.chat.messages import Presence

__all__ = ["INTERVAL", "MAX_MEMBERS", "RATE", "Change", "Member", "Roster", "short"]

#: seconds between two announcements in a small room
INTERVAL = 10.0
#: announcements a second in a large one
RATE = 2.0
#: how many announcements may get lost before we are taken to have left
LOST = 2
#: members that are told apart; more are not shown
MAX_MEMBERS = 1_000
#: names that are remembered, with those who use them
MAX_NAMES = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Somebody who is here. `until` is a time on the clock that the roster is told."""

    peer: PeerId
    nick: str
    addrs: Sequence[str]
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a presence changed: who is new, who has gone, or is called otherwise now (`before`)."""

    joined: Member | None = None
    left: Member | None = None
    before: str | None = None


def short(peer: PeerId) -> str:
    """What tells peers apart for people: the end of the id, as all begin in the same way."""
    return str(peer)[-6:]


class Roster:
    """The members of one room, but for ourselves."""

    __slots__ = ("_members", "_users")

    def __init__(self) -> None:
        self._members: dict[PeerId, Member] = {}
        self._users: dict[str, set[PeerId]] = {}

    @property
    def members(self) -> Collection[Member]:
        """Who is here."""
        return self._members.values()

    def hear(self, peer: PeerId, presence: Presence, now: float) -> Change | None:
        """Take an announcement; None where it changes nothing."""
        before = self._members.get(peer)
        if presence.ttl <= 0:
            return None if before is None else Change(left=self._members.pop(peer))
        if before is None and len(self._members) >= MAX_MEMBERS:
            return None
        member = Member(peer=peer, nick=presence.nick, addrs=presence.addrs, until=now + presence.ttl)
        self._members[peer] = member
        self.note(presence.nick, peer)
        if before is None:
            return Change(joined=member)
        return None if before.nick == member.nick else Change(before=before.nick, joined=member)

    def expire(self, now: float) -> Sequence[Member]:
        """Take out those whose time is over."""
        gone = [member for member in self._members.values() if member.until <= now]
        for member in gone:
            del self._members[member.peer]
        return gone

    @property
    def small(self) -> bool:
        """Whether all may answer a newcomer."""
        return len(self._members) < INTERVAL * RATE

    @property
    def interval(self) -> float:
        """Seconds from one announcement of ours to the next."""
        return max(INTERVAL, (len(self._members) + 1) / RATE)

    @property
    def ttl(self) -> float:
        """For how long an announcement holds."""
        return min(3_600.0, (LOST + 1.5) * self.interval)

    # --- names

    def note(self, nick: str, peer: PeerId) -> None:
        """Remember that a peer uses a name: as a member, as an author, or as we do."""
        users = self._users.setdefault(nick.casefold(), set())
        if len(users) < MAX_MEMBERS:
            users.add(peer)
        if len(self._users) > MAX_NAMES:
            del self._users[next(iter(self._users))]

    def label(self, nick: str, peer: PeerId) -> str:
        """What to call somebody so that it is clear who is meant."""
        return nick if self._users.get(nick.casefold(), {peer}) == {peer} else f"{nick}#{short(peer)}"

    def namesake(self, nick: str, peer: PeerId) -> Member | None:
        """Another member who uses that name."""
        others = (member for member in self._members.values() if member.peer != peer)
        return next((member for member in others if member.nick.casefold() == nick.casefold()), None)

    def find(self, who: str) -> Member:
        """The member that somebody means by a name, a name with the end of the peer id, or a peer id.

        :raises LocalProtocolError: nobody, or more than one
        """
        nick, _, end = who.rpartition("#") if "#" in who else (who, "", "")
        found = [
            member
            for member in self._members.values()
            if str(member.peer) == who
            or (member.nick.casefold() == nick.casefold() and str(member.peer).endswith(end))
            or member.nick == who
        ]
        if len(found) == 1:
            return found[0]
        if not found:
            raise LocalProtocolError(f"nobody here is called {who!r:.80}")
        names = ", ".join(f"{member.nick}#{short(member.peer)}" for member in found[:5])
        raise LocalProtocolError(f"{who} is the name of several: say which of {names}")
