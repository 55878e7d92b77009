"""Inspect representations: what the vectors of backbones, layers and bundles know, without training them further.

Each module is the call behind one `amazon_tags inspect` command. It returns `findings.Findings`: a table, a picture
and a sentence that says what to do.
"""
