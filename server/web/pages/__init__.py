"""The pages: one file each, with the same name as its templates and its texts."""
