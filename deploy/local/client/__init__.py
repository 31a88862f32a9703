"""What commands do with a stack that runs: ask its services, send evidence, count what is there, and show how far they are."""
