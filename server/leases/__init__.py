"""Who does what there is one of: the keeper's work, and each site's journals."""
