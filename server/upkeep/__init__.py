"""What must be done later: parked entries, torn steps without proof, lost terminals, holes."""
