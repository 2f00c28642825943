"""The nightly proof: puts every cent of difference into its class."""
