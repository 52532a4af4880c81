"""Bytes on the wire: unsigned varints, length-delimited frames, protobuf messages. Nothing here waits."""
