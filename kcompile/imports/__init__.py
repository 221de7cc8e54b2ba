"""Networks and netlists of other tools, read and written again as `.kc` programs."""
