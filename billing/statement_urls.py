"""Where statements are."""

from django.urls import path

from billing import statement_views

urlpatterns = [
    path("billing/statements/", statement_views.statement_list, name="statement-list"),
    path("billing/statements/statements.jsonl", statement_views.statement_chain, name="statement-chain"),
    path("billing/statements/verify_statements.py", statement_views.statement_script, name="statement-script"),
    path("billing/statements/<str:month>/", statement_views.statement_detail, name="statement-detail"),
    path("billing/statements/<str:month>/statement.csv", statement_views.statement_csv, name="statement-csv"),
]
