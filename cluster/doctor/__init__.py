"""The doctor: why a workload does not get its secrets, by the causes that the API shows, each with its mend."""
