"""Turn chips into tags: prediction, checkpoints, submissions, monitoring and drift."""
