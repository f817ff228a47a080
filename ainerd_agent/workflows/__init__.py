"""What people do with the package, each a function with progress: a live session, replay, ingest, training and more."""
