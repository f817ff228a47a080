"""What carries suggestions out: plans, the queue server, bluesky-adaptive."""
