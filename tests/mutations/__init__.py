"""Guards taken out one by one: for each, the test that then fails. `python -m tests.mutations` runs them all."""
