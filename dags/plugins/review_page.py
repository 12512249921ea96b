"""The review page within Airflow, under Airflow's login: who judges and decides is who Airflow says they are."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import quote

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from airflow.plugins_manager import AirflowPlugin
from fastapi import Body, Depends, FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from pipelines import review_page
from pipelines.errors import ScriptoriumError
from pipelines.review import recorded
from pipelines.settings import read_settings

app = FastAPI(title="Review", docs_url=None, redoc_url=None, openapi_url=None)
CAN_SEE = Depends(requires_access_dag("GET", DagAccessEntity.HITL_DETAIL))
CAN_ANSWER = Depends(requires_access_dag("PUT", DagAccessEntity.HITL_DETAIL))


@app.get("/{dag_id}/{seal}", dependencies=[CAN_SEE])
def show(dag_id: str, seal: str, user: GetUserDep, lang: Literal["en", "zh"] = "en") -> HTMLResponse:
    """The page of one dossier."""
    settings = read_settings()
    reviewed = before(dag_id, seal, user.get_name())
    decided = recorded(seal, settings)
    told = f"{decided.reviewers}: {decided.decision}, {decided.decided_at:%Y-%m-%d %H:%M} UTC" if decided else ""
    headers = {
        # Everything the page needs is in it; it talks to this Airflow and nobody else, and stands in no frame.
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
        "img-src data:; connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'",
        "Cache-Control": "no-store",
    }
    return HTMLResponse(review_page.page(reviewed, lang, told, settings), headers=headers)


@app.get("/{dag_id}/{seal}/examples", dependencies=[CAN_SEE])
def examples(dag_id: str, seal: str, user: GetUserDep) -> list[dict[str, Any]]:
    """The blind examples and what this user said of them, for the terminal."""
    return review_page.blind(before(dag_id, seal, user.get_name()))


@app.put("/{dag_id}/{seal}/examples/{number}", dependencies=[CAN_ANSWER])
def judge(
    dag_id: str, seal: str, number: int, user: GetUserDep, choice: Annotated[review_page.Choice, Body(embed=True)]
) -> dict[str, Any]:
    """Keep one judgement of this user."""
    if recorded(seal, read_settings()):
        raise HTTPException(409, "this review is decided; what was judged stays as it is")
    reviewed = before(dag_id, seal, user.get_name())
    said = review_page.judge(reviewed, number, choice, read_settings())
    return {"judged": len(said.said), "of": len(reviewed.examples)}


def before(dag_id: str, seal: str, user: str) -> review_page.Reviewed:
    """The dossier before a user, if it is one of this DAG."""
    reviewed = review_page.before(seal, user, read_settings())
    if dag_id != f"train__{reviewed.dossier.name}":
        raise HTTPException(404, f"dossier {seal[:12]} is none of {dag_id}")
    return reviewed


@app.exception_handler(ScriptoriumError)
def refused(_: Request, error: ScriptoriumError) -> JSONResponse:
    """A refusal in its own words."""
    return JSONResponse({"detail": str(error)}, status_code=400)


@app.exception_handler(HTTPException)
def not_allowed(request: Request, error: HTTPException) -> Response:
    """Who is not logged in is sent to Airflow's login, and from there back to where they wanted to go."""
    if error.status_code == 401 and "text/html" in request.headers.get("accept", ""):
        return RedirectResponse(f"/api/v2/auth/login?next={quote(str(request.url))}", status_code=302)
    return JSONResponse({"detail": error.detail}, status_code=error.status_code)


class ReviewPage(AirflowPlugin):
    """What Airflow loads."""

    name = "review_page"
    fastapi_apps = [{"app": app, "url_prefix": "/review", "name": "Review page"}]  # noqa: RUF012
