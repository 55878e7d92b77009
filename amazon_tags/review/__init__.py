"""Pages to look at scored chips and to correct their tags, which open from disk and need no server."""
