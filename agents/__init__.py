"""The shell: Kafka, clocks, files, metrics and people. The core knows none of them."""
