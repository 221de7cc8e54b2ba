"""Text to a frozen syntax tree, and what can be checked on the tree alone."""
