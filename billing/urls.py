from django.urls import converters, path, register_converter

from billing import (
    code_views,
    limit_views,
    payment_desk_views,
    payment_views,
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
    path("billing/top-up/", payment_views.topup, name="topup"),
    path("billing/auto-top-up/", payment_views.auto_topup_settings, name="auto-topup"),
    path("billing/auto-top-up/off/", payment_views.auto_topup_off, name="auto-topup-off"),
    path("billing/auto-top-up/card/forget/", payment_views.card_forget, name="card-forget"),
    path("billing/payments/", payment_views.payment_list, name="payment-list"),
    path("billing/payments/<slug:public_id>/", payment_views.payment_detail, name="payment-detail"),
    path("billing/payments/<slug:public_id>/confirm/", payment_views.payment_confirm, name="payment-confirm"),
    path("billing/stripe/webhook", payment_views.stripe_webhook, name="stripe-webhook"),
    path("desk/payments/", payment_desk_views.desk_payment_list, name="desk-payment-list"),
    path("desk/payments/<slug:public_id>/", payment_desk_views.desk_payment, name="desk-payment"),
    path("desk/payments/<slug:public_id>/refund/", payment_desk_views.desk_payment_refund, name="desk-payment-refund"),
    path("desk/payments/<slug:public_id>/look/", payment_desk_views.desk_payment_look, name="desk-payment-look"),
]
