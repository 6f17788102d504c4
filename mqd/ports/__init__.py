"""Floor 2: what the core needs of the world, as Protocols; an adapter has its port's file name."""
