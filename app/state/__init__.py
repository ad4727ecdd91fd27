"""What workers share: counters and small records, in this process or in Redis, chosen by URI."""
