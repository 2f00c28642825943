"""Who may do what: operators, their roles, and decisions that take two people."""
