from django.urls import path

from playground import endpoints, pages

app_name = "playground"

urlpatterns = [
    path("", pages.chat, name="chat"),
    path("c/<uuid:conversation_id>/", pages.chat, name="conversation"),
    path("c/<uuid:conversation_id>/delete/", pages.conversation_delete, name="conversation-delete"),
    path("runs/", endpoints.run_create, name="run-create"),
    path("runs/<uuid:run_id>/", pages.run, name="run"),
    path("runs/<uuid:run_id>/events", endpoints.run_events, name="run-events"),
    path("runs/<uuid:run_id>/stop/", endpoints.run_stop, name="run-stop"),
    path("images/", pages.images, name="images"),
    path("images/events", endpoints.image_events, name="image-events"),
    path("images/<uuid:image_id>/file", pages.image_file, name="image-file"),
    path("jobs/", endpoints.job_create, name="job-create"),
    path("jobs/<uuid:job_id>/", pages.job, name="job"),
    path("jobs/<uuid:job_id>/events", endpoints.job_events, name="job-events"),
    path("jobs/<uuid:job_id>/cancel/", endpoints.job_cancel, name="job-cancel"),
    path("jobs/<uuid:job_id>/retry/", endpoints.job_retry, name="job-retry"),
]
