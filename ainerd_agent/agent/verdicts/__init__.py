"""When an exposure may end: what was asked, and what a look at it says."""
