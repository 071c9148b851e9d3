"""Grafana's dashboards as code: `make dashboards` writes deploy/grafana/dashboards/*.json.

Built with Grafana's own SDK, so that a panel's fields are checked before Grafana sees them.
"""
