"""The page: an editor in a browser on this machine.

`web/doc` has the source of the script. Markup and style sheet are not built: they are edited here, in `static`.
"""
