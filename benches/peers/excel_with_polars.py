"""A workbook's first sheet as CSV, with Polars and fastexcel: python excel_with_polars.py FOLDER OUTPUT"""
import os
import sys

import polars as pl

folder, output = sys.argv[1:]
os.makedirs(output, exist_ok=True)
pl.read_excel(f"{folder}/invoices.xlsx", engine="calamine").write_csv(f"{output}/invoices.csv")
