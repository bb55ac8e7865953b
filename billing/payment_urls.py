"""Addresses of payments; part of billing/urls.py."""

from django.urls import path

from billing import payment_desk_views, payment_views

urlpatterns = [
    path("billing/top-up/", payment_views.topup, name="topup"),
    path("billing/auto-top-up/", payment_views.auto_topup_settings, name="auto-topup"),
    path("billing/auto-top-up/off/", payment_views.auto_topup_off, name="auto-topup-off"),
    path("billing/auto-top-up/card/forget/", payment_views.card_forget, name="card-forget"),
    path("billing/payments/", payment_views.payment_list, name="payment-list"),
    path("billing/payments/<str:public_id>/", payment_views.payment_detail, name="payment-detail"),
    path("billing/payments/<str:public_id>/confirm/", payment_views.payment_confirm, name="payment-confirm"),
    path("billing/stripe/webhook", payment_views.stripe_webhook, name="stripe-webhook"),
    path("desk/payments/", payment_desk_views.desk_payment_list, name="desk-payment-list"),
    path("desk/payments/<str:public_id>/", payment_desk_views.desk_payment, name="desk-payment"),
    path("desk/payments/<str:public_id>/refund/", payment_desk_views.desk_payment_refund, name="desk-payment-refund"),
    path("desk/payments/<str:public_id>/look/", payment_desk_views.desk_payment_look, name="desk-payment-look"),
]
