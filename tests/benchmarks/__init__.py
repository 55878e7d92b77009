"""Measurements, each run by hand as `python -m tests.benchmarks.NAME`; they print tables and judge nothing."""
