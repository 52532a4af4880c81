"""Content delivery: whoever has a part of something serves it."""
