"""CSV and Parquet tables: labels, scores, corrections, and their checks."""
