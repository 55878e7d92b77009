"""Compare sets of vectors: how near one set of chips lies to another.

Every function takes and returns arrays; what the chips are and where their vectors come from is not known here.
"""
