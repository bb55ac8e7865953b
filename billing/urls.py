from django.urls import converters, path, register_converter

from billing import (
    code_views,
    limit_views,
    payment_urls,
    people_views,
    price_views,
    statement_urls,
    usage_views,
    views,
)

app_name = "billing"


class ModelName(converters.StringConverter):
    """Some have a slash in them; none has a NUL, which a database cannot look up."""

    regex = r"[^\x00]+"


register_converter(ModelName, "model")

urlpatterns = [
    path("usage/", usage_views.usage_list, name="usage-list"),
    path("usage/export/", usage_views.usage_export, name="usage-export"),
    path("usage/find/", views.usage_find, name="usage-find"),
    path("usage/<slug:request_id>/", views.usage_detail, name="usage-detail"),
    path("billing/", views.wallet, name="wallet"),
    path("billing/redeem/", views.code_redeem, name="code-redeem"),
    path("limits/", limit_views.limit_list, name="limit-list"),
    path("limits/<slug:public_id>/remove/", limit_views.limit_remove, name="limit-remove"),
    path("desk/prices/", price_views.price_list, name="price-list"),
    path("desk/prices/<model:model>/change/", price_views.price_change, name="price-change"),
    path("desk/prices/<model:model>/", price_views.price_detail, name="price-detail"),
    path("desk/codes/", code_views.code_list, name="code-list"),
    path("desk/codes/new/", code_views.code_create, name="code-create"),
    path("desk/codes/<slug:public_id>/", code_views.code_batch, name="code-batch"),
    path("desk/codes/<slug:public_id>/codes.csv", code_views.code_csv, name="code-csv"),
    path("desk/codes/<slug:public_id>/disable/", code_views.code_disable, name="code-disable"),
    path("desk/people/", people_views.person_list, name="person-list"),
    path("desk/people/<slug:public_id>/", people_views.person_detail, name="person-detail"),
    path("desk/people/<slug:public_id>/grant/", people_views.person_grant, name="person-grant"),
    path("desk/grants/<slug:public_id>/approve/", people_views.grant_approve, name="grant-approve"),
    path("desk/grants/<slug:public_id>/refuse/", people_views.grant_refuse, name="grant-refuse"),
    path("desk/grants/<slug:public_id>/correct/", people_views.grant_correct, name="grant-correct"),
    *statement_urls.urlpatterns,
    *payment_urls.urlpatterns,
]
