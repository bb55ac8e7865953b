from django.urls import path

from billing import views

app_name = "billing"

urlpatterns = [
    path("usage/", views.usage_list, name="usage-list"),
    path("usage/<slug:request_id>/", views.usage_detail, name="usage-detail"),
    path("billing/", views.wallet, name="wallet"),
    path("billing/redeem/", views.code_redeem, name="code-redeem"),
]
