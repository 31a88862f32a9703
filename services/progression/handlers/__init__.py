"""What progression does with batches of evidence and with decisions."""
