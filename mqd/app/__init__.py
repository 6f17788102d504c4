"""Floor 6: settings in, wired desk out; the only place that names concrete adapters."""
