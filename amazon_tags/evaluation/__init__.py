"""How good tags are, and which decision suits scores best."""
