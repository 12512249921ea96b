"""What is found in texts, and digits for them."""

from pipelines import personal_data


def find(texts):
    import polars as pl

    return personal_data.find(pl.Series(texts, dtype=pl.String))


def kinds(text):
    return find([text])["kind"].to_list()
