"""Records to columns and metadata of the catalog, and back."""
