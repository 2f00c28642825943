"""Every sentence a terminal says, one file for each language."""
