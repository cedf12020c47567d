"""The fuse-box: settings, URLs and process entry points; it may import everything, nobody imports it."""
