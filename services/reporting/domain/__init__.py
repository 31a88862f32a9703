"""What reporting knows about records, classes and districts: pure functions of rows."""
