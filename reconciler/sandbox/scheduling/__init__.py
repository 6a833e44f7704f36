"""Cloud Scheduler's own matters: when a schedule is due, and the calls that are made then."""
