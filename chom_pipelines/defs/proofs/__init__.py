"""The asset `verification_restore` of each server, its checks, job and schedules."""
