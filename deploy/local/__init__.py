"""The laptop stack: real Apache Kafka, real PostgreSQL and the three services, in one folder, by one command."""
