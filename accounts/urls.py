from django.urls import path

from accounts import views

app_name = "accounts"

urlpatterns = [
    path("", views.key_list, name="key-list"),
    path("new/", views.key_create, name="key-create"),
    path("<slug:public_id>/revoke/", views.key_revoke, name="key-revoke"),
]
