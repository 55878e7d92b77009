"""What a model is made by and stored as: recipe, bundle, engine, registry."""
