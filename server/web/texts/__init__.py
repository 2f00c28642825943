"""Every sentence of the pages: one file a page, each sentence in English, simplified and traditional Chinese."""
