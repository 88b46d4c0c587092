"""What a server writes into its binary log: events, transactions, GTIDs; reads bytes, and nothing else."""
