"""Every way into the evidence service: HTTP routes and Kafka subscribers, a few lines each."""
