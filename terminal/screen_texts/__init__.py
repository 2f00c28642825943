"""What stands on the screen's keys and pages, by language; merged into `terminal/texts/`."""
