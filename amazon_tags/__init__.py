"""Tags for satellite chips: names, files and runs around `features` and `ensemble`."""
