"""Everything around a till that is no card reader."""
