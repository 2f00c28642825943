"""What somebody must look at on a machine; what somebody must look at for its money is a case."""
