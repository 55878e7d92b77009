"""Benchmarks, each run by hand as `python -m tests.benchmarks.NAME`.

They print tables and write them into README.md of this folder. None of them passes or fails.
"""
