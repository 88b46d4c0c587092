"""Full backups: consistent, parallel, streamed; and restores of them."""
