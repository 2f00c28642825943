"""Journal entries as evidence: read, recomputed, and set beside what stands around them."""
