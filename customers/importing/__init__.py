"""Files into customers, products and purchases. One way for all formats:

tables.py    a CSV or parquet file, row by row, never whole in memory
retail.py, movielens.py, mapped.py    a format's rows, said in the field names of `rows.FIELDS`
cells.py     a cell's text into a number, a time, a key
rows.py      one row's fields into an Entry, or RowRefused with the reason
store.py     entries into the database, a chunk at a time; what is there already is not stored again
report.py    the command's progress bar, bad rows and summary
"""
