//! Creates, updates and deletes, with the rules of the real server.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::apply::{Manager, Ownership, apply};
use super::json_patch;
use super::object::{
    Refusal, conflict, copy, entry, fields, finalizers, has_finalizers, meta, not_found, refuse,
    set_meta, without_nulls,
};
use super::route::{Query, Route};
use super::selector::Selector;
use super::store::{Key, Store};

/// Fields of `metadata` that only the server writes.
const SERVER_FIELDS: [&str; 7] = [
    "uid",
    "name",
    "namespace",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
];

/// The form of a PATCH, by its content type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PatchForm {
    Merge,
    Json,
    Apply,
}

impl PatchForm {
    /// Reads a content type.
    pub(super) fn of(content_type: &str) -> Option<Self> {
        match content_type {
            "application/merge-patch+json" => Some(Self::Merge),
            "application/json-patch+json" => Some(Self::Json),
            "application/apply-patch+yaml" => Some(Self::Apply),
            _ => None,
        }
    }
}

impl Store {
    /// POST: a new object.
    pub(super) fn create(
        &mut self,
        route: &Route,
        body: Value,
        now: Timestamp,
    ) -> Result<Value, Refusal> {
        self.insert(route, body, Ownership::default(), now)
    }

    fn insert(
        &mut self,
        route: &Route,
        body: Value,
        ownership: Ownership,
        now: Timestamp,
    ) -> Result<Value, Refusal> {
        let mut object = without_nulls(body);
        let uid = self.new_uid();
        let generated = meta(&object, "generateName").to_owned();
        let name = match (meta(&object, "name"), generated.as_str()) {
            ("", "") => {
                return Err(refuse(
                    route,
                    422,
                    "Invalid",
                    "metadata.name: Required value",
                ));
            }
            ("", prefix) => format!("{prefix}{}", uid.get(3..8).unwrap_or_default()),
            (name, _) => name.to_owned(),
        };
        if !meta(&object, "resourceVersion").is_empty() {
            let why = "resourceVersion should not be set on objects to be created";
            return Err(refuse(route, 400, "BadRequest", why));
        }
        let route = &Route {
            name: Some(name.clone()),
            ..route.clone()
        };
        if self.get(route).is_ok() {
            return Err(refuse(
                route,
                409,
                "AlreadyExists",
                format!("{route} already exists"),
            ));
        }
        set_meta(&mut object, "name", name);
        if let Some(namespace) = &route.namespace {
            set_meta(&mut object, "namespace", namespace.clone());
        }
        set_meta(&mut object, "uid", uid);
        set_meta(&mut object, "generation", 1);
        set_meta(&mut object, "creationTimestamp", seconds(now));
        fields(entry(&mut object, "metadata")).remove("deletionTimestamp");
        if has_status_subresource(route) {
            fields(&mut object).remove("status");
        }
        Ok(self.commit(route, object, ownership))
    }

    /// PUT: a whole object, or its whole status.
    pub(super) fn replace(&mut self, route: &Route, body: Value) -> Result<Value, Refusal> {
        let wanted = without_nulls(body);
        if meta(&wanted, "resourceVersion").is_empty() && has_status_subresource(route) {
            let why = "metadata.resourceVersion: Invalid value: 0: must be specified for an update";
            return Err(refuse(route, 422, "Invalid", why));
        }
        self.update(route, wanted, None)
    }

    /// PATCH.
    pub(super) fn patch(
        &mut self,
        route: &Route,
        query: &Query,
        form: PatchForm,
        body: &Value,
        now: Timestamp,
    ) -> Result<Value, Refusal> {
        if form == PatchForm::Apply {
            return self.apply(route, query, body, now);
        }
        let mut wanted = self.get(route)?.clone();
        if form == PatchForm::Merge {
            json_patch::merge(&mut wanted, body);
        } else {
            json_patch::apply(&mut wanted, body)
                .map_err(|why| refuse(route, 422, "Invalid", why))?;
        }
        self.update(route, without_nulls(wanted), None)
    }

    /// PATCH by server-side apply.
    fn apply(
        &mut self,
        route: &Route,
        query: &Query,
        body: &Value,
        now: Timestamp,
    ) -> Result<Value, Refusal> {
        let Some(name) = query.get("fieldManager") else {
            return Err(refuse(
                route,
                400,
                "BadRequest",
                "PatchOptions.fieldManager: Required value",
            ));
        };
        if body.get("kind").is_none() || body.get("apiVersion").is_none() {
            return Err(refuse(
                route,
                400,
                "BadRequest",
                "apiVersion and kind must be set",
            ));
        }
        let manager = Manager {
            name: name.to_owned(),
            subresource: route.subresource.clone(),
        };
        let config = without_nulls(body.clone());
        let (mut object, mut ownership) = match self.stored(route) {
            Ok(stored) => (stored.object.clone(), stored.ownership.clone()),
            Err(_) if route.subresource.is_none() => {
                let mut ownership = Ownership::default();
                let mut object = config.clone();
                apply(&mut object, &mut ownership, manager, &config, true)
                    .map_err(|why| conflict(route, &why))?;
                set_meta(&mut object, "name", route.name.clone().unwrap_or_default());
                return self.insert(route, object, ownership, now);
            }
            Err(refusal) => return Err(refusal),
        };
        apply(
            &mut object,
            &mut ownership,
            manager,
            &config,
            query.is("force"),
        )
        .map_err(|why| conflict(route, &why))?;
        for field in ["uid", "resourceVersion"] {
            let wanted = meta(&config, field);
            if !wanted.is_empty() && wanted != meta(self.get(route)?, field) {
                return Err(conflict(route, &format!("the {field} is another")));
            }
        }
        self.update(route, object, Some(ownership))
    }

    /// Brings the object to what is `wanted`, as far as the route may write it.
    fn update(
        &mut self,
        route: &Route,
        wanted: Value,
        ownership: Option<Ownership>,
    ) -> Result<Value, Refusal> {
        let stored = self.stored(route)?;
        let (current, ownership) = (
            &stored.object,
            ownership.unwrap_or_else(|| stored.ownership.clone()),
        );
        for field in ["uid", "resourceVersion"] {
            let known = meta(&wanted, field);
            if !known.is_empty() && known != meta(current, field) {
                let why = "the object has been modified; please apply your changes to the latest version and try again";
                return Err(conflict(route, why));
            }
        }
        let mut next = match route.subresource.as_deref() {
            None => {
                let mut next = wanted;
                let server = current.get("metadata").unwrap_or(&Value::Null);
                for field in SERVER_FIELDS {
                    copy(entry(&mut next, "metadata"), server, field);
                }
                for field in ["apiVersion", "kind"] {
                    copy(&mut next, current, field);
                }
                if has_status_subresource(route) {
                    copy(&mut next, current, "status");
                }
                next
            }
            Some("status") => {
                let mut next = current.clone();
                copy(&mut next, &wanted, "status");
                next
            }
            Some(_) => return Err(not_found(route)),
        };
        let deleting = !meta(current, "deletionTimestamp").is_empty();
        if deleting && finalizers(&next).any(|new| finalizers(current).all(|old| old != new)) {
            let why = "no new finalizers can be added if the object is being deleted";
            return Err(refuse(route, 422, "Invalid", why));
        }
        if next == *current {
            self.set_ownership(route, ownership);
            return Ok(next);
        }
        if content(&next) != content(current) {
            let generation = current
                .pointer("/metadata/generation")
                .and_then(Value::as_u64);
            set_meta(&mut next, "generation", generation.unwrap_or(0) + 1);
        }
        let last = deleting && !has_finalizers(&next);
        let committed = self.commit(route, next, ownership);
        if let Some(key) = route.key().filter(|_| last) {
            self.remove(&route.collection, &key);
        }
        Ok(committed)
    }

    /// DELETE of one object: at once, or a mark while it has finalizers.
    pub(super) fn delete(
        &mut self,
        route: &Route,
        options: &Value,
        now: Timestamp,
    ) -> Result<Value, Refusal> {
        let stored = self.stored(route)?;
        let (current, ownership) = (stored.object.clone(), stored.ownership.clone());
        for field in ["uid", "resourceVersion"] {
            let wanted = options
                .get("preconditions")
                .and_then(|all| all.get(field))
                .and_then(Value::as_str);
            if wanted.is_some_and(|wanted| wanted != meta(&current, field)) {
                let why = format!(
                    "Precondition failed: {field} in precondition is not {field} in object meta"
                );
                return Err(conflict(route, &why));
            }
        }
        if has_finalizers(&current) {
            if !meta(&current, "deletionTimestamp").is_empty() {
                return Ok(current);
            }
            let mut marked = current;
            set_meta(&mut marked, "deletionTimestamp", seconds(now));
            set_meta(&mut marked, "deletionGracePeriodSeconds", 0);
            return Ok(self.commit(route, marked, ownership));
        }
        if let Some(key) = route.key() {
            self.remove(&route.collection, &key);
        }
        Ok(json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 200,
            "details": {"name": route.name, "kind": route.collection.resource, "uid": meta(&current, "uid")},
        }))
    }

    /// DELETE of all objects that are selected.
    pub(super) fn delete_all(
        &mut self,
        route: &Route,
        selector: &Selector,
        options: &Value,
        now: Timestamp,
    ) -> Result<Value, Refusal> {
        let keys: Vec<Key> = self
            .list(&route.collection, selector)
            .map(|(key, _)| key.clone())
            .collect();
        for (namespace, name) in keys {
            let namespace = Some(namespace).filter(|namespace| !namespace.is_empty());
            let one = Route {
                namespace,
                name: Some(name),
                ..route.clone()
            };
            self.delete(&one, options, now)?;
        }
        Ok(
            json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 200}),
        )
    }
}

/// All of an object but its metadata and status: what its generation counts.
fn content(object: &Value) -> Vec<(&String, &Value)> {
    let all = object.as_object().into_iter().flatten();
    all.filter(|(key, _)| *key != "metadata" && *key != "status")
        .collect()
}

/// Whether the kind's status is written through its subresource alone: true of custom resources, as ours all have one.
fn has_status_subresource(route: &Route) -> bool {
    let group = &route.collection.group;
    group.contains('.') && !group.ends_with(".k8s.io")
}

fn seconds(now: Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
