"""Where backups live: layout, manifests, objects, codecs, keys."""
