"""CSV and Parquet tables of tags and scores: read, checked, corrected and written."""
