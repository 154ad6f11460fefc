"""Make a Korean role-playing character, from a description to a model that talks."""
