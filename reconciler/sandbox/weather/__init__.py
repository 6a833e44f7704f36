"""How this Google Cloud behaves today: durations, faults, quotas, policies of the organisation."""
