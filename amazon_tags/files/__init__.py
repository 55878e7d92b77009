"""Files and folders: atomic writes, checks of the outputs before any work, hashes and locks.

Every file that a command writes goes through `atomic` or `folders`.
"""
