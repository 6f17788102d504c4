"""Floor 3: YAML in, a frozen `RuleBook` and its digest out, or every problem with its place."""
