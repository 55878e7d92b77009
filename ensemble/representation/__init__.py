"""Measure vectors: how near one set of chips lies to another, and what vectors know about labels.

Every function takes and returns arrays; what the chips are and where their vectors come from is not known here.
"""
