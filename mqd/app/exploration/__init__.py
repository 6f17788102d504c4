"""Every interleaving of what a broker may do, walked on the desk's real step function."""
