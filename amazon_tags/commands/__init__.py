"""The command line, one file per command: read the options, call one documented function, print the result.

Heavy imports are inside the functions, so that `--help` answers at once.
"""
