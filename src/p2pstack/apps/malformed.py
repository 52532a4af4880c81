"""What it means that bytes are no message."""

import msgspec

__all__ = ["MALFORMED"]

#: What a decoder of msgspec raises, whatever bytes it is given: also where the tag of a union is no text, and where
#: something unknown is nested too deep to be passed over.
MALFORMED = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
