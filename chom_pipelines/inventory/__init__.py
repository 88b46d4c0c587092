"""chom.yaml: typed servers, repository, schedules, thresholds; secret references."""
