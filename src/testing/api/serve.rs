//! From an HTTP request to its answer.

use std::io;

use axum::body::Body;
use http::{Method, Request as HttpRequest, Response, header};
use kube::core::Status;
use serde_json::{Value, json};

use super::object::{Refusal, fields, meta, refuse, status_json};
use super::record::{Request, Verb};
use super::route::{Query, Route};
use super::selector::Selector;
use super::store::Store;
use super::watch::Watch;
use super::write::PatchForm;
use super::{FakeApi, Fault, Reply};

/// A request, read.
pub(super) struct Asked {
    pub(super) route: Route,
    pub(super) query: Query,
    /// The answer is to hold metadata only.
    pub(super) metadata_only: bool,
    method: Method,
    content_type: String,
    body: Value,
}

impl FakeApi {
    /// Answers one request of `actor`.
    pub(super) async fn serve(
        &self,
        actor: &str,
        request: HttpRequest<kube::client::Body>,
    ) -> Reply {
        let asked = match read(request).await? {
            Ok(asked) => asked,
            Err(refusal) => return answer(Err(refusal)),
        };
        self.wait(actor).await;
        let mut record = record(actor, &asked);
        let fault = self.lock().faults.befall(&record);
        match fault {
            Some(Fault::Status(code)) => {
                record.code = code;
                self.lock().seen.push(record);
                return answer(Err(planned(&asked.route, code)));
            }
            Some(Fault::Refused) => {
                self.lock().seen.push(record);
                return Err(io::Error::from(io::ErrorKind::ConnectionRefused));
            }
            Some(Fault::AnswerLost) | None => {}
        }
        let reply = if record.verb == Verb::Watch {
            Ok(self.watch(actor, &asked))
        } else {
            answer(self.carry_out(&asked, record.verb))
        };
        record.code = reply.as_ref().map_or(0, |reply| reply.status().as_u16());
        self.lock().seen.push(record);
        self.look_again();
        if fault == Some(Fault::AnswerLost) {
            return Err(io::Error::from(io::ErrorKind::ConnectionReset));
        }
        reply
    }

    /// Waits until nothing keeps `actor` from the server.
    async fn wait(&self, actor: &str) {
        let mut changed = self.changed.subscribe();
        while self.lock().faults.blocks(actor) {
            if changed.changed().await.is_err() {
                return;
            }
        }
    }

    fn watch(&self, actor: &str, asked: &Asked) -> Response<Body> {
        let watch = Watch::open(self, actor, asked);
        let mut response = Response::new(Body::from_stream(watch.lines()));
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            header::HeaderValue::from_static("application/json"),
        );
        response
    }

    fn carry_out(&self, asked: &Asked, verb: Verb) -> Result<Value, Refusal> {
        let (now, route, query) = (self.now(), &asked.route, &asked.query);
        let body = || asked.body.clone();
        let mut shared = self.lock();
        if verb == Verb::Create
            && let Some(answered) = shared.reviews.answer(route, &asked.body, now)
        {
            return Ok(answered);
        }
        let store = &mut shared.store;
        let object = match verb {
            Verb::Get | Verb::Watch => store.get(route).cloned(),
            Verb::List => return list(store, asked),
            Verb::Create if route.name.is_none() => store.create(route, body(), now),
            Verb::Create => Err(super::object::not_found(route)),
            Verb::Update => store.replace(route, body()),
            Verb::Patch => match PatchForm::of(&asked.content_type) {
                Some(form) => store.patch(route, query, form, &asked.body, now),
                None => Err(refuse(
                    route,
                    415,
                    "UnsupportedMediaType",
                    asked.content_type.clone(),
                )),
            },
            Verb::Delete => return store.delete(route, &asked.body, now),
            Verb::DeleteCollection => {
                return store.delete_all(route, &Selector::of(route, query), &asked.body, now);
            }
        };
        object.map(|object| asked.present(object))
    }
}

impl Asked {
    /// The object as the asker wants it.
    pub(super) fn present(&self, object: Value) -> Value {
        present(object, self.metadata_only)
    }
}

/// `object`, or only its metadata.
pub(super) fn present(object: Value, metadata_only: bool) -> Value {
    if metadata_only {
        let metadata = object.get("metadata").cloned().unwrap_or_default();
        json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": metadata})
    } else {
        object
    }
}

/// The refusal of a version that is too old.
pub(super) fn expired(route: &Route) -> Refusal {
    refuse(route, 410, "Expired", "too old resource version")
}

fn list(store: &Store, asked: &Asked) -> Result<Value, Refusal> {
    let (route, query) = (&asked.route, &asked.query);
    let selector = Selector::of(route, query);
    let after = query
        .get("continue")
        .map(|token| token.splitn(3, ' ').collect::<Vec<_>>());
    let (version, after) = match after.as_deref() {
        None => (store.version(), None),
        Some([version, namespace, name]) => {
            let version = version.parse().unwrap_or(0);
            if version < store.oldest() {
                return Err(expired(route));
            }
            (version, Some(((*namespace).to_owned(), (*name).to_owned())))
        }
        Some(_) => {
            return Err(refuse(
                route,
                400,
                "BadRequest",
                "continue key is not valid",
            ));
        }
    };
    let rest: Vec<_> = store
        .list(&route.collection, &selector)
        .filter(|(key, _)| after.as_ref().is_none_or(|after| *key > after))
        .collect();
    let limit = query
        .number("limit")
        .and_then(|limit| usize::try_from(limit).ok());
    let limit = limit.filter(|limit| *limit > 0).unwrap_or(usize::MAX);
    let page: Vec<Value> = rest
        .iter()
        .take(limit)
        .map(|(_, object)| asked.present((*object).clone()))
        .collect();
    let mut metadata = json!({"resourceVersion": version.to_string()});
    if let Some(((namespace, name), _)) = rest
        .get(limit.saturating_sub(1))
        .filter(|_| rest.len() > limit)
    {
        let token = format!("{version} {namespace} {name}");
        fields(&mut metadata).insert("continue".into(), token.into());
    }
    let (api_version, kind) = if asked.metadata_only {
        (
            "meta.k8s.io/v1".to_owned(),
            "PartialObjectMetadataList".to_owned(),
        )
    } else {
        (
            route.api_version.clone(),
            format!("{}List", store.kind(&route.collection)),
        )
    };
    Ok(json!({"apiVersion": api_version, "kind": kind, "metadata": metadata, "items": page}))
}

async fn read(
    request: HttpRequest<kube::client::Body>,
) -> Result<Result<Asked, Refusal>, io::Error> {
    let (parts, body) = request.into_parts();
    let bytes = body.collect_bytes().await.map_err(io::Error::other)?;
    let Some(route) = Route::parse(parts.uri.path()) else {
        return Ok(Err(Box::new(
            Status::failure(
                "the server could not find the requested resource",
                "NotFound",
            )
            .with_code(404),
        )));
    };
    let text = |name| {
        parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or("")
    };
    let content_type = text(header::CONTENT_TYPE)
        .split(';')
        .next()
        .unwrap_or("")
        .to_owned();
    let metadata_only = text(header::ACCEPT).contains("as=PartialObjectMetadata");
    let body = if bytes.is_empty() {
        Ok(Value::Null)
    } else {
        serde_json::from_slice(&bytes)
    };
    let body = match body {
        Ok(body) => body,
        Err(error) => return Ok(Err(refuse(&route, 400, "BadRequest", error.to_string()))),
    };
    let query = Query::parse(parts.uri.query().unwrap_or(""));
    Ok(Ok(Asked {
        route,
        query,
        metadata_only,
        method: parts.method,
        content_type,
        body,
    }))
}

fn record(actor: &str, asked: &Asked) -> Request {
    let Route {
        collection,
        namespace,
        name,
        subresource,
        ..
    } = asked.route.clone();
    let single = name.is_some();
    let verb = match asked.method.as_str() {
        _ if asked.query.is("watch") => Verb::Watch,
        "POST" => Verb::Create,
        "PUT" => Verb::Update,
        "PATCH" => Verb::Patch,
        "DELETE" if single => Verb::Delete,
        "DELETE" => Verb::DeleteCollection,
        _ if single => Verb::Get,
        _ => Verb::List,
    };
    Request {
        actor: actor.to_owned(),
        verb,
        group: collection.group,
        resource: collection.resource,
        namespace: namespace.unwrap_or_default(),
        name: name.unwrap_or_else(|| meta(&asked.body, "name").to_owned()),
        subresource: subresource.unwrap_or_default(),
        manager: asked.query.get("fieldManager").unwrap_or("").to_owned(),
        code: 0,
    }
}

fn planned(route: &Route, code: u16) -> Refusal {
    let reason = match code {
        403 => "Forbidden",
        404 => "NotFound",
        409 => "Conflict",
        410 => "Expired",
        422 => "Invalid",
        429 => "TooManyRequests",
        500 => "InternalError",
        503 => "ServiceUnavailable",
        504 => "Timeout",
        _ => "",
    };
    refuse(route, code, reason, "a fault that a test asked for")
}

fn answer(result: Result<Value, Refusal>) -> Reply {
    let (code, value) = match result {
        Ok(value) => (200, value),
        Err(status) => (status.code, status_json(&status)),
    };
    let mut response = Response::builder()
        .status(code)
        .header(header::CONTENT_TYPE, "application/json");
    if code == 429 {
        response = response.header(header::RETRY_AFTER, "1");
    }
    response
        .body(Body::from(value.to_string()))
        .map_err(io::Error::other)
}
