from django.urls import path
from drf_spectacular.views import SpectacularJSONAPIView

from console.api import limits, payments, prices, receipts, statements, usage, views

app_name = "api"

urlpatterns = [
    path("schema/", SpectacularJSONAPIView.as_view(), name="schema"),
    path("prices/", prices.PricesView.as_view(), name="prices"),
    path("me/", views.MeView.as_view(), name="me"),
    path("balance/", views.BalanceView.as_view(), name="balance"),
    path("keys/", views.KeyListView.as_view(), name="key-list"),
    path("keys/current/", limits.CurrentKeyView.as_view(), name="key-current"),
    path("keys/<str:public_id>/", views.KeyView.as_view(), name="key"),
    path("limits/", limits.LimitListView.as_view(), name="limit-list"),
    path("limits/<str:public_id>/", limits.LimitView.as_view(), name="limit"),
    path("usage/", usage.UsageListView.as_view(), name="usage-list"),
    path("usage/export/", usage.UsageExportView.as_view(), name="usage-export"),
    path("usage/<str:request_id>/", receipts.ReceiptView.as_view(), name="usage"),
    path("payments/", payments.PaymentListView.as_view(), name="payment-list"),
    path("payments/<str:public_id>/", payments.PaymentView.as_view(), name="payment"),
    path("statements/", statements.StatementListView.as_view(), name="statement-list"),
    path("statements/<str:month>/", statements.StatementView.as_view(), name="statement"),
    path("referrals/", views.RewardsView.as_view(), name="referrals"),
    path("referrals/rewards/", views.RewardListView.as_view(), name="reward-list"),
    path("referrals/conversions/", views.ConversionView.as_view(), name="conversion-list"),
    path("withdrawals/", views.WithdrawalListView.as_view(), name="withdrawal-list"),
    path("withdrawals/<str:public_id>/", views.WithdrawalView.as_view(), name="withdrawal"),
    path("withdrawals/<str:public_id>/cancel/", views.WithdrawalCancelView.as_view(), name="withdrawal-cancel"),
]
# The same without the last slash: a redirect would lose the body of a POST.
bare = [path(str(route.pattern).rstrip("/"), route.callback) for route in urlpatterns]
