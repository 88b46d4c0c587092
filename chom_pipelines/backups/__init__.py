"""What any method of backup shares: policy, taking and proving, listing, verdicts."""
