"""When does a periodic task fire? What robfig/cron v3's standard parser takes for a spec, and what follows from it."""
