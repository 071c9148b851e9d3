"""The way to Kafka: clients, security, topics; a broker of our own for laptops and tests."""
