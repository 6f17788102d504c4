"""Floor 4½: what every stream of news needs; brokers and feeds, who are strangers, share it."""
