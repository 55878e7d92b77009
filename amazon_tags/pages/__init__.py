"""Pages that open from disk: templates, one style sheet, scripts, and the function that puts them in one file."""
