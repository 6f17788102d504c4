"""Floor 5: where orders go; one module a broker, each an implementation of `mqd.ports.broker`."""
