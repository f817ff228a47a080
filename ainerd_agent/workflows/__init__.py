"""What a person or a program does with the package, each a function with progress: live, replay, ingest, train and more."""
