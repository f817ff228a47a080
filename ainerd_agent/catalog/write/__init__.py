"""Writing the catalog."""
