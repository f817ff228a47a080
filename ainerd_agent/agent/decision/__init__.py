"""What speaks for a position, and what it costs."""
