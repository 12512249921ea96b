"""Steps, and the services they touch. Never imports airflow."""
