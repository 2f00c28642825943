"""Students, staff and visitors."""
