from django.urls import path

from gateway import views

app_name = "gateway"

urlpatterns = [
    path("", views.model_list, name="model-list"),
]
