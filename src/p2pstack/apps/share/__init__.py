"""Content delivery: whoever has a part of something serves it.

=================  ================================================================================
`manifest.py`      what a content is: names, sizes, the root of its tree (pure)
`merkle.py`        the tree of hashes that pieces are held against (pure)
`link.py`          what somebody gives to somebody else (pure)
`messages.py`      what nodes say to each other (pure)
`picker.py`        which piece to fetch from whom (pure)
`slots.py`         whose turn it is to fetch from us (pure)
-----------------  --------------------------------------------------------------------------------
`channel.py`       messages and pieces on a stream
`uploads.py`       serving; `downloads.py`: fetching
`pauses.py`        when those that failed are asked again
`store.py`         what is needed of the place where a content is
`files.py`         ... on disk: shared where it is, fetched so that a crash loses nothing; `writer.py`: past the
                   system's memory for files
`service.py`       `Share`: all of that as a service of a host
-----------------  --------------------------------------------------------------------------------
`command.py`       `p2pstack share` and `p2pstack get`; `view.py`: what a person sees of it
=================  ================================================================================
"""
