"""Maps and results of analyses in files."""
