"""What people decide about money: movements, corrections and reversals."""
