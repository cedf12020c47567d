"""The lists of workloads and pods, and one of each."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.may import needs
from audit import consuming
from dashboard.limits import scope_for
from dashboard.map_page import WorkloadMap
from dashboard.pod_page import PodPage, WorkloadPage
from dashboard.pods_page import PodList, WorkloadList


@require_safe
@needs("record.read")
def workload_list(request: HttpRequest) -> HttpResponse:
    """List the workloads that the address asks for."""
    page = WorkloadList.read(request.GET, timezone.now(), scope_for(request))
    return render(request, "pods/workloads.html", {"page": page})


@require_safe
@needs("record.read")
def workload_map(request: HttpRequest) -> HttpResponse:
    """Draw what each pod holds, secret by secret."""
    page = WorkloadMap.read(request.GET, timezone.now(), scope_for(request))
    return render(request, "pods/map.html", {"page": page})


@require_safe
@needs("record.read")
def pod_list(request: HttpRequest) -> HttpResponse:
    """List the pods that the address asks for."""
    page = PodList.read(request.GET, timezone.now(), scope_for(request))
    return render(request, "pods/list.html", {"page": page})


@require_safe
@needs("record.read")
def pod_detail(request: HttpRequest, cluster: str, uid: str) -> HttpResponse:
    """Show one pod that exists, or existed."""
    scope = scope_for(request)
    try:
        view = consuming.pod(cluster, uid, scope=scope)
    except LookupError as miss:
        raise Http404(str(miss)) from miss
    return render(request, "pods/detail.html", {"page": PodPage(cluster, view, timezone.now(), scope)})


@require_safe
@needs("record.read")
def workload_detail(request: HttpRequest, cluster: str, uid: str) -> HttpResponse:
    """Show one workload."""
    scope = scope_for(request)
    try:
        view = consuming.workload(cluster, uid, scope=scope)
    except LookupError as miss:
        raise Http404(str(miss)) from miss
    return render(request, "pods/workload.html", {"page": WorkloadPage(view, timezone.now(), scope)})
