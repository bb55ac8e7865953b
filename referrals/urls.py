from django.urls import path

from referrals import desk, views

app_name = "referrals"

urlpatterns = [
    path("r/<str:code>", views.follow, name="link"),
    path("referrals/", views.overview, name="overview"),
    path("referrals/people/", views.people, name="people"),
    path("referrals/rewards/", views.reward_list, name="reward-list"),
    path("referrals/rewards/<str:public_id>/", views.reward_detail, name="reward-detail"),
    path("referrals/convert/", views.convert, name="convert"),
    path("referrals/qr.<str:kind>", views.link_qr, name="link-qr"),
    path("referrals/withdraw/", views.withdraw, name="withdraw"),
    path("referrals/withdrawals/<str:public_id>/", views.withdrawal_detail, name="withdrawal-detail"),
    path("referrals/withdrawals/<str:public_id>/cancel/", views.withdrawal_cancel, name="withdrawal-cancel"),
    path("referrals/contact/", views.contact, name="contact"),
    path("referrals/contact/qr", views.contact_qr, name="contact-qr"),
    path("desk/", desk.queue, name="desk-queue"),
    path("desk/withdrawals/<str:public_id>/", desk.case, name="desk-case"),
    path("desk/withdrawals/<str:public_id>/reveal/", desk.reveal, name="desk-reveal"),
    path("desk/withdrawals/<str:public_id>/<str:action>/", desk.act, name="desk-act"),
]
