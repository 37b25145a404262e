"""The benchmark's job with Polars, streaming: python with_polars.py FOLDER OUTPUT

Decimals by schema; a row with a number that cannot be read is left out. Keys that come twice are found by their hash.
"""
import os
import sys

import polars as pl

folder, output = sys.argv[1:]
os.makedirs(output, exist_ok=True)
KEY = ["deal", "charge", "location", "start"]
DECIMALS = {"quantity": pl.Decimal(18, 3), "price": pl.Decimal(18, 2), "amount": pl.Decimal(18, 2)}
HEADER = ["document", "vendor", *KEY, "quantity", "unit", "price", "amount", "currency", "version"]


def read(name, document):
    frame = pl.scan_csv(f"{folder}/{name}.csv", has_header=False, skip_rows=1, schema={column: DECIMALS.get(column, pl.String) for column in HEADER}, ignore_errors=True)
    frame = frame.filter(pl.all_horizontal(pl.col(column).is_not_null() for column in DECIMALS))
    return frame if document else frame.drop("document")


exact = lambda column: (pl.col(column) * 100).cast(pl.Int64)
# Whole numbers are exact and fast: cents, and thousandths times cents.
invoices = read("invoices", True).with_columns(cents=exact("amount"), product=(pl.col("quantity") * 1000).cast(pl.Int64) * exact("price"))
settlements = read("settlements", False).with_columns(cents=exact("amount"))
billed, settled = pl.col("cents"), pl.col("cents_right")
same = lambda column: pl.col(column) == pl.col(f"{column}_right")
# In thousandths of a cent.
within = lambda difference, base: difference.abs() * 1000 <= pl.max_horizontal(pl.lit(1000), base.abs())
kind = (
    pl.when(settled.is_null()).then(pl.lit("unsettled"))
    .when(billed.is_null()).then(pl.lit("unbilled"))
    .when(~same("currency")).then(pl.lit("currency"))
    .when(~same("unit")).then(pl.lit("unit"))
    .when(~same("version")).then(pl.lit("version"))
    .when(same("quantity") & same("price") & within(billed - settled, settled)).then(
        pl.when((pl.col("product") - billed * 1000).abs() <= pl.max_horizontal(pl.lit(1000), billed.abs())).then(None).otherwise(pl.lit("arithmetic"))
    )
    .when(within(billed + settled, settled)).then(pl.lit("sign"))
    .when(~same("quantity") & same("price")).then(pl.lit("quantity"))
    .when(~same("price") & same("quantity")).then(pl.lit("price"))
    .otherwise(pl.lit("amount"))
)
KEPT = ["kind", "key", "document", "vendor", *KEY, "quantity", "quantity_right", "price", "price_right", "amount", "amount_right", "currency"]
joined = (
    invoices.join(settlements, on=KEY, how="full", coalesce=True)
    .with_columns(kind=kind, key=pl.struct(KEY).hash(), vendor=pl.coalesce("vendor", "vendor_right"), currency=pl.coalesce("currency", "currency_right"))
    .select(KEPT)
    .collect(engine="streaming")
)
counted = joined.lazy().group_by("key").agg(pl.len(), pl.col("kind").count().alias("differ")).filter(pl.col("len") > 1).collect(engine="streaming")
twice = (
    joined.lazy().join(counted.lazy(), on="key").unique(subset="key", keep="any")
    .with_columns(kind=pl.when(pl.col("differ") == 0).then(pl.lit("duplicate")).otherwise(pl.lit("ambiguous"))).select(KEPT)
)
once = joined.lazy().filter(pl.col("kind").is_not_null()).join(counted.lazy(), on="key", how="anti")
pl.concat([once, twice]).drop("key").collect(engine="streaming").write_csv(f"{output}/discrepancies.csv")
summary = joined.lazy().group_by("vendor", pl.col("kind").fill_null("ties").alias("verdict")).agg(
    pl.len().alias("lines"), pl.col("amount").sum().alias("billed"), pl.col("amount_right").sum().alias("settled")
)
summary.sort("vendor", "verdict").collect(engine="streaming").write_csv(f"{output}/summary.csv")
