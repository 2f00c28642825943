"""Scenes of the till: from what the counter and its cashier are doing to boxes, words and signs."""
