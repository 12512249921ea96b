"""A recipe that is refused becomes an import error of this file, where Airflow shows it; the other DAGs stay whole."""

from pipelines.recipe_file import require_readable
from pipelines.settings import read_settings

require_readable(read_settings().recipes)
