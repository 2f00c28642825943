"""The register of terminals: enrolment, epochs, certificates."""
