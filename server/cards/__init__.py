"""Cards: issue, block, replace, close."""
