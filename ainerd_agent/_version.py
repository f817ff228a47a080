"""The version of the package, for records of what made them. The build reads it here."""

__version__ = "0.1.0"
