from django.contrib import admin

from library.models import AudioBook, Book, Loan, Reader

admin.site.register([Book, AudioBook, Loan, Reader])
