"""Many simulations or trainings of one model that differ in values or in random draws, spread over processes and machines."""
