"""The command line, one file a command: parse, call one documented function, print.

Heavy imports stand inside the functions, so that `--help` answers at once.
"""
