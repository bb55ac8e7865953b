from django.urls import path

from billing import limit_views, price_views, usage_views, views

app_name = "billing"

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
    path("desk/prices/<str:model>/", price_views.price_detail, name="price-detail"),
    path("desk/prices/<str:model>/change/", price_views.price_change, name="price-change"),
]
