"""Airflow only: order, retries, triggers."""
