"""The page: an editor in a browser on this machine. Its source is in `web/doc`."""
