"""Where frames come from, in memory, in Tiled and in files. The module of a new detector format goes here."""
