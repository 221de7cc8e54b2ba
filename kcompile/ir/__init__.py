"""The flat circuit: symbolic laws, instances in columns, and the way from the syntax tree to it."""
