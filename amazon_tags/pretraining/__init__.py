"""Pretrain a backbone on chips without labels, and write it as a folder: `amazon_tags pretrain`."""
