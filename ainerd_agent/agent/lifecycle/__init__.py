"""The life of a suggestion between people, agent and catalog."""
