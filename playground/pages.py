"""The pages of the playground and the pieces of them that a script fetches."""

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.core.files.storage import default_storage
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_GET, require_POST

from playground import payloads, pictures, reports, words
from playground.http import person
from playground.models import Conversation, Image, ImageJob, Run

FILE_POLICY = "default-src 'none'; sandbox"


@require_GET
@login_required
def chat(request: HttpRequest, conversation_id: UUID | None = None) -> HttpResponse:
    user = person(request)
    shown = None
    if conversation_id is not None:
        conversation = get_object_or_404(Conversation, pk=conversation_id, user=user)
        shown = reports.chat(conversation=conversation)
    last = shown.turns[-1].run if shown and shown.turns else None
    chosen = last.model if last else request.GET.get("model", "")
    offer = reports.offer(user=user, endpoint=reports.CHAT, chosen=chosen, now=timezone.now())
    context = {
        "chat": shown,
        "last": last,
        "offer": offer,
        "recent": reports.recent(user=user),
        "max_prompt": payloads.MAX_PROMPT_CHARS,
        "max_system": payloads.MAX_SYSTEM_CHARS,
        "words": words.of_chat(),
    }
    return render(request, "playground/chat.html", context)


@require_GET
@login_required
def run(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """The piece of the page for one answer as it is now."""
    shown = get_object_or_404(Run, pk=run_id, user=person(request))
    (turn,) = reports.turns(user_id=shown.user_id, runs=[shown])
    return render(request, "playground/_turn.html", {"turn": turn})


@require_POST
@login_required
def conversation_delete(request: HttpRequest, conversation_id: UUID) -> HttpResponse:
    get_object_or_404(Conversation, pk=conversation_id, user=person(request)).delete()
    return redirect("playground:chat")


@require_GET
@login_required
def images(request: HttpRequest) -> HttpResponse:
    user, now = person(request), timezone.now()
    offer = reports.offer(user=user, endpoint=reports.IMAGES, chosen=request.GET.get("model", ""), now=now)
    context = {
        "offer": offer,
        "prices": reports.image_prices(models=offer.ids, now=now),
        "cards": reports.gallery(user=user),
        "sizes": payloads.SIZES,
        "counts": range(1, payloads.MAX_IMAGES + 1),
        "max_prompt": payloads.MAX_IMAGE_PROMPT_CHARS,
        "words": words.of_images(),
    }
    return render(request, "playground/images.html", context)


@require_GET
@login_required
def job(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """The card of one job as it is now."""
    shown = get_object_or_404(ImageJob, pk=job_id, user=person(request))
    (card,) = reports.cards([shown], user_id=shown.user_id)
    return render(request, "playground/_job.html", {"card": card})


@require_GET
@login_required
def image_file(request: HttpRequest, image_id: UUID) -> HttpResponse:
    """The picture itself, for its owner only; `?download` names it for the disk."""
    image = get_object_or_404(Image.objects.select_related("job"), pk=image_id, job__user=person(request))
    headers = {
        "Cache-Control": "private, max-age=31536000, immutable",
        "Content-Security-Policy": FILE_POLICY,
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    etag = f'"{image.sha256}"'
    if (unchanged := get_conditional_response(request, etag)) is not None:
        return HttpResponse(status=unchanged.status_code, headers={**headers, "ETag": etag})
    try:
        with default_storage.open(str(image.file.name)) as file:
            content = file.read()
    except FileNotFoundError:
        raise Http404 from None
    name = f"image-{image.job_id}-{image.slot + 1}.{pictures.SUFFIXES[image.media_type]}"
    disposition = "attachment" if "download" in request.GET else "inline"
    headers |= {"ETag": etag, "Content-Disposition": f'{disposition}; filename="{name}"'}
    return HttpResponse(content, content_type=image.media_type, headers=headers)
