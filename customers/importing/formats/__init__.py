"""One file a format. To add one, write a file like retail.py and name it in FORMATS.

A module of a format has PREFIX, which its purchases' ids begin with, and `reader(table, options)`: a function that
makes an Entry of a row, or FileRefused where the file is not of this format.
"""

from types import ModuleType

from customers.importing.formats import generic, retail

FORMATS: dict[str, ModuleType] = {"generic": generic, "retail": retail}
