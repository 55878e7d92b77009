"""Models: the recipe that describes one, the bundle that stores it, the engine that runs it, the registry of many."""
