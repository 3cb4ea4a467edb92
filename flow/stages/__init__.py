"""What each command does: read what an earlier stage left in `build/NAME`, do one job, leave the result there."""
