"""Conversations, runs (one generated answer each) and image jobs.

A run or a job is a row with a lease: whoever holds the lease works on it, any number of tabs read along. Every change
of state is a conditional update that looks at `status` and `fence`; zero changed rows means somebody else was first.
"""

import uuid

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from accounts.models import User


class Conversation(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="conversations")
    title = models.CharField(max_length=120, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["user", "-updated_at"], name="conversation_user_recent")]


class Run(models.Model):
    """One question and the answer that is generated for it. The id comes from the browser: a repeat is the same run."""

    class Status(models.TextChoices):
        QUEUED = "queued", _("Queued")
        RUNNING = "running", _("Running")
        COMPLETED = "completed", _("Completed")
        STOPPED = "stopped", _("Stopped")
        FAILED = "failed", _("Failed")
        INTERRUPTED = "interrupted", _("Interrupted")

    id = models.UUIDField(primary_key=True)
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="runs")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="runs")
    # What this question follows. Siblings share a parent: asking again never destroys an answer.
    parent = models.ForeignKey("self", on_delete=models.CASCADE, null=True, related_name="next_runs")
    model = models.CharField(max_length=80)
    endpoint = models.CharField(max_length=24, default="chat/completions")
    prompt = models.TextField()
    system = models.TextField(blank=True)
    max_tokens = models.PositiveIntegerField(null=True)  # null: no limit was set, which is not the default limit
    answer = models.TextField(blank=True)  # as far as `last_seq` while it runs, whole afterwards
    reasoning = models.TextField(blank=True)
    answer_html = models.TextField(blank=True)  # sanitised; written when the answer is whole
    status = models.CharField(max_length=12, choices=Status, default=Status.QUEUED)
    last_seq = models.IntegerField(default=0)
    fence = models.IntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    stop_requested_at = models.DateTimeField(null=True)
    request_id = models.CharField(max_length=40, blank=True)  # of the gateway; leads to the usage row
    error = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    started_at = models.DateTimeField(null=True)
    first_token_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["conversation", "created_at"], name="run_conversation_time"),
            models.Index(fields=["lease_until"], condition=Q(status="running"), name="run_lease"),
        ]

    @property
    def ended(self) -> bool:
        return self.status not in {Run.Status.QUEUED, Run.Status.RUNNING}


class ImageJob(models.Model):
    """A request for images. The row is the truth; the Celery message only wakes a worker."""

    class Status(models.TextChoices):
        QUEUED = "queued", _("Queued")
        RUNNING = "running", _("Generating")
        STORING = "storing", _("Storing")
        SUCCEEDED = "succeeded", _("Done")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")

    id = models.UUIDField(primary_key=True)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="image_jobs")
    model = models.CharField(max_length=80)
    prompt = models.TextField()
    size = models.CharField(max_length=20, default="1024x1024")
    count = models.PositiveSmallIntegerField(default=1)
    status = models.CharField(max_length=12, choices=Status, default=Status.QUEUED)
    version = models.IntegerField(default=0)
    fence = models.IntegerField(default=0)
    attempt = models.PositiveSmallIntegerField(default=0)
    first_attempt = models.PositiveSmallIntegerField(default=0)  # where the last retry by hand began to count
    undelivered = models.JSONField(default=list)  # attempts that brought nothing: what they cost is given back
    lease_until = models.DateTimeField(null=True)
    rung_at = models.DateTimeField(null=True)  # when a worker was last called for it
    cancel_requested_at = models.DateTimeField(null=True)
    request_id = models.CharField(max_length=40, blank=True)
    error = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["user", "-created_at"], name="image_job_user_recent"),
            models.Index(fields=["status", "lease_until"], name="image_job_lease"),
        ]

    @property
    def ended(self) -> bool:
        return self.status in {ImageJob.Status.SUCCEEDED, ImageJob.Status.FAILED, ImageJob.Status.CANCELLED}

    def idempotency_key(self, attempt: int) -> str:
        """Sent with the call of this attempt; the usage row of the gateway carries it."""
        return f"img_{self.id}_{attempt}"


class Image(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    job = models.ForeignKey(ImageJob, on_delete=models.CASCADE, related_name="images")
    slot = models.PositiveSmallIntegerField()
    file = models.FileField(max_length=200)  # name chosen by playground.files
    media_type = models.CharField(max_length=20)
    width = models.IntegerField()
    height = models.IntegerField()
    sha256 = models.CharField(max_length=64)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "slot"], name="image_one_per_slot")]
