"""Files into customers, products and purchases. One way for all formats:

files.py     a CSV or parquet file, row by row, never whole in memory
formats/     one file a format: what a row of it says, in the field names of `rows.FIELDS`
cells.py     a cell's text into a number, a time, a key
rows.py      one row's fields into an Entry, or RowRefused with the reason
store.py     entries into the database, a chunk at a time; what is there already is not stored again
command.py   the commands' progress bar, refused rows and summary
"""
