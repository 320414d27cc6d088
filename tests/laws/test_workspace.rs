//! A workspace in this process: the real client, planner and executor over the sandbox, without sockets.
//! Its clock jumps over waits.

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use jiff::{SignedDuration, Timestamp};
use segctl::api::{Client, Clock, Method, Request, RequestError, Response, Transport, TransportError};
use segctl::apply::run_report::RunReport;
use segctl::apply::{Applier, RunResult};
use segctl::model::{DeclaredSegment, ObservedWorkspace, Policy, ShownKinds};
use segctl::observe::{Refresh, Scope, fetch, list};
use segctl::plan::compared_lists::ComparedLists;
use segctl::plan::guards::Overrides;
use segctl::plan::step::Plan;
use segctl::plan::targeting::Selection;
use segctl::plan::{PlanInput, plan};
use segctl::rate_limit::{RateLimitHeaders, RateLimits};
use segctl::sandbox::{Delivery, HttpRequest, LogEntry, SandboxCredentials, SandboxSettings, Service};
use segctl::state::{Cache, State, StateEntry, StateStore};
use segctl::storage::{
    ConditionalWrite, Object, Precondition, Storage, StorageError, StorageResult, Version,
};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::unconstrained;

#[derive(Clone)]
pub(crate) enum EventDuringWait {
    /// A dashboard user edits a segment.
    Edit(Value),
    LockLost,
}

#[derive(Clone)]
pub(crate) struct TestWorkspace {
    service: Arc<Mutex<Service>>,
    now: Arc<Mutex<Timestamp>>,
    storage: ObjectsInMemory,
    /// A dashboard edit after so many more PATCH requests.
    scheduled_edit: Arc<Mutex<Option<(usize, Value)>>>,
    event_during_wait: Arc<Mutex<Option<EventDuringWait>>>,
    shown_kinds: Arc<Mutex<ShownKinds>>,
    /// Rewrites each answer of the service, with its method.
    rewrite_answer: Option<AnswerRewrite>,
    policy: Policy,
}

type AnswerRewrite = Arc<dyn Fn(&str, Value) -> String + Send + Sync>;

impl TestWorkspace {
    pub(crate) fn new(settings: SandboxSettings) -> Self {
        let credentials = SandboxCredentials {
            workspace_id: "w".to_owned(),
            api_key: "k".to_owned(),
            db_name: "d".to_owned(),
        };
        let mut policy = Policy::default();
        policy.api_behavior.list_shows_archived = settings.list_includes_archived;
        policy.api_behavior.rename_frees_names = settings.rename_frees_old_name;
        policy.api_behavior.archived_definitions_conflict = settings.archived_definitions_conflict;
        policy.api_behavior.active_limit = settings.active_limit;
        Self {
            service: Arc::new(Mutex::new(Service::new(settings, credentials))),
            now: Arc::new(Mutex::new(Timestamp::from_second(1_800_000_000).unwrap())),
            storage: ObjectsInMemory::default(),
            scheduled_edit: Arc::default(),
            event_during_wait: Arc::default(),
            shown_kinds: Arc::default(),
            rewrite_answer: None,
            policy,
        }
    }

    /// Edits a segment as a dashboard user.
    pub(crate) fn edit_in_dashboard(&self, edit: &Value) -> Value {
        self.sandbox_request("POST", "/_sandbox/segments", edit.to_string().into_bytes())
            .1
    }

    /// Sends an API request outside segctl.
    pub(crate) fn send_api_request(&self, method: &str, path: &str, body: &Value) {
        let (status, body) = self.sandbox_request(method, path, body.to_string().into_bytes());
        assert!((200..300).contains(&status), "{body}");
    }

    /// Whether the service accepts an API request outside segctl.
    pub(crate) fn accepts(&self, method: &str, path: &str, body: &Value) -> bool {
        let (status, _) = self.sandbox_request(method, path, body.to_string().into_bytes());
        (200..300).contains(&status)
    }

    /// Edits a segment as a dashboard user after so many PATCH requests.
    pub(crate) fn edit_after_patches(&self, patches: usize, edit: &Value) {
        *self.scheduled_edit.lock().unwrap() = Some((patches, edit.clone()));
    }

    pub(crate) fn during_next_wait(&self, event: EventDuringWait) {
        *self.event_during_wait.lock().unwrap() = Some(event);
    }

    pub(crate) fn rewrite_answers(
        &mut self,
        rewrite: impl Fn(&str, Value) -> String + Send + Sync + 'static,
    ) {
        self.rewrite_answer = Some(Arc::new(rewrite));
    }

    fn apply_due_edit(&self) {
        let mut scheduled_edit = self.scheduled_edit.lock().unwrap();
        if let Some((patches, edit)) = scheduled_edit.as_mut() {
            *patches -= 1;
            if *patches == 0 {
                self.edit_in_dashboard(&edit.clone());
                *scheduled_edit = None;
            }
        }
    }

    /// The service reads all uploaded lists from local files.
    pub(crate) fn finish_uploads(&self) {
        let mut service = self.service.lock().unwrap();
        while let Some(job) = service.next_job() {
            let path = job.file_url.strip_prefix("file://").unwrap().replace("%20", " ");
            let file = std::fs::read(path).map_err(|error| error.to_string());
            service.finish_job(self.now(), &job, file);
        }
    }

    pub(crate) fn advance(&self, by: SignedDuration) {
        let mut now = self.now.lock().unwrap();
        *now = now.checked_add(by).unwrap();
    }

    pub(crate) fn sandbox_state(&self) -> Value {
        self.sandbox_request("GET", "/_sandbox/state", Vec::new()).1
    }

    pub(crate) fn set_faults(&self, script: &Value) {
        self.service
            .lock()
            .unwrap()
            .set_faults(serde_json::from_value(script.clone()).unwrap());
    }

    pub(crate) fn change_policy(&mut self, change: impl FnOnce(&mut Policy)) {
        change(&mut self.policy);
    }

    pub(crate) fn add_state_entry(&self, entry: StateEntry) {
        let store = self.store();
        let mut state = unconstrained(store.load()).now_or_never().unwrap().unwrap();
        state.record(entry);
        unconstrained(store.save(&state)).now_or_never().unwrap().unwrap();
    }

    pub(crate) fn lose_state(&self) {
        self.delete_objects(&["state", "journal"]);
    }

    pub(crate) fn request_log(&self) -> Vec<LogEntry> {
        self.service.lock().unwrap().log().to_vec()
    }

    pub(crate) fn stored_state(&self) -> State {
        unconstrained(self.store().load())
            .now_or_never()
            .unwrap()
            .unwrap()
    }

    /// Opens the state as another run does.
    pub(crate) fn store(&self) -> StateStore {
        StateStore::new(self.storage.clone())
    }

    fn delete_objects(&self, prefixes: &[&str]) {
        let mut objects = self.storage.objects.lock().unwrap();
        objects.retain(|name, _| !prefixes.iter().any(|prefix| name.starts_with(prefix)));
    }

    pub(crate) async fn plan(&self, declared: &[DeclaredSegment]) -> Plan {
        self.plan_from(declared, &self.observe(declared).await)
    }

    /// Reads all remote segments.
    pub(crate) async fn observe(&self, declared: &[DeclaredSegment]) -> ObservedWorkspace {
        self.try_observe(declared).await.unwrap()
    }

    /// Reads all remote segments; an error if a request finally fails.
    pub(crate) async fn try_observe(
        &self,
        declared: &[DeclaredSegment],
    ) -> Result<ObservedWorkspace, RequestError> {
        let client = self.client();
        let state = self.stored_state();
        let shown_kinds = self.shown_kinds.lock().unwrap().clone();
        let scope = Scope {
            declared,
            state: &state,
            policy: &self.policy,
            cache: &Cache::default(),
            shown_kinds: &shown_kinds,
            refresh: Refresh::Full,
            now: self.now(),
        };
        let mut observed = list(&client, &scope).await?;
        *self.shown_kinds.lock().unwrap() = observed.shown_kinds.clone();
        let managed = scope.managed(&observed);
        for id in scope.ids_to_fetch(&managed, &observed) {
            fetch(&client, &scope, &id, &mut observed).await?;
        }
        for id in scope.ids_without_definition(&observed) {
            fetch(&client, &scope, &id, &mut observed).await?;
        }
        Ok(observed)
    }

    pub(crate) fn plan_from(&self, declared: &[DeclaredSegment], observed: &ObservedWorkspace) -> Plan {
        self.plan_selected(declared, observed, &Selection::default())
    }

    pub(crate) fn plan_selected(
        &self,
        declared: &[DeclaredSegment],
        observed: &ObservedWorkspace,
        selection: &Selection,
    ) -> Plan {
        let state = self.stored_state();
        plan(&PlanInput {
            workspace: "w",
            endpoint: "",
            declared,
            observed,
            state: &state,
            compared_lists: &ComparedLists::default(),
            policy: &self.policy,
            overrides: Overrides {
                allow_empty: true,
                allow_missing_segments: true,
                force_upload: false,
                assume_members_in_sync: false,
            },
            selection,
            now: self.now(),
        })
    }

    pub(crate) fn fail_state_writes(&self) {
        self.fail_state_writes_after(0);
    }

    pub(crate) fn fail_state_writes_after(&self, writes: usize) {
        *self.storage.writes_left.lock().unwrap() = Some(writes);
    }

    pub(crate) fn allow_state_writes(&self) {
        *self.storage.writes_left.lock().unwrap() = None;
    }

    pub(crate) fn lose_member_lists(&self) {
        self.delete_objects(&["lists/"]);
    }

    pub(crate) fn member_list_count(&self) -> usize {
        let objects = self.storage.objects.lock().unwrap();
        objects.keys().filter(|name| name.starts_with("lists/")).count()
    }

    pub(crate) async fn apply(&self, plan: &Plan) -> RunReport {
        let result = self.apply_with_result(plan).await;
        assert!(result.abort_reason.is_none(), "{:?}", result.abort_reason);
        result.report
    }

    pub(crate) async fn apply_with_result(&self, plan: &Plan) -> RunResult {
        let client = self.client();
        let state = self.stored_state();
        let options = segctl::apply::ApplyOptions {
            api_behavior: self.policy.api_behavior,
            adoption: self.policy.adoption,
            parallelism: 8,
            ..segctl::apply::ApplyOptions::default()
        };
        let shown_kinds = self.shown_kinds.lock().unwrap().clone();
        let store = self.store();
        let applier = Applier::new(&client, self, &store, state, options).with_shown_kinds(shown_kinds);
        let result = applier.apply(plan, &|_| {}).await;
        *self.shown_kinds.lock().unwrap() = result.shown_kinds.clone();
        result
    }

    fn client(&self) -> Client<Self, Self> {
        Client::new(self.clone(), self.clone(), RateLimits::default(), 1)
    }

    fn sandbox_request(&self, method: &str, path: &str, body: Vec<u8>) -> (u16, Value) {
        let request = HttpRequest {
            method: method.to_owned(),
            path: path.to_owned(),
            // "w:k" in base64.
            headers: [
                ("authorization", "Basic dzpr"),
                ("moe-appkey", "w"),
                ("moe-dbname", "d"),
                ("content-type", "application/json"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
            body,
            ..HttpRequest::default()
        };
        let reply = self.service.lock().unwrap().handle(self.now(), &request);
        (reply.status, reply.body)
    }
}

impl Clock for TestWorkspace {
    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }

    async fn sleep_until(&self, moment: Timestamp) {
        let later = moment.max(self.now());
        *self.now.lock().unwrap() = later;
        let event = self.event_during_wait.lock().unwrap().take();
        match event {
            Some(EventDuringWait::Edit(edit)) => drop(self.edit_in_dashboard(&edit)),
            Some(EventDuringWait::LockLost) => self.fail_state_writes(),
            None => {}
        }
    }
}

impl Transport for TestWorkspace {
    async fn send(&self, request: Request, _: Duration) -> Result<Response, TransportError> {
        let method = match request.method {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
        };
        let request = HttpRequest {
            method: method.to_owned(),
            path: request.path,
            query: request.query.into_iter().collect(),
            headers: [
                ("authorization", "Basic dzpr"),
                ("moe-appkey", "w"),
                ("moe-dbname", "d"),
                ("content-type", "application/json"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
            body: request
                .body
                .map(|body| body.to_string().into_bytes())
                .unwrap_or_default(),
        };
        let reply = self.service.lock().unwrap().handle(self.now(), &request);
        if request.method == "PATCH" {
            self.apply_due_edit();
        }
        let header = |name: &str| {
            reply
                .headers
                .get(name)
                .and_then(|value| value.parse::<i64>().ok())
        };
        let headers = RateLimitHeaders {
            limit: header("x-ratelimit-limit").and_then(|limit| u64::try_from(limit).ok()),
            remaining: header("x-ratelimit-remaining").and_then(|left| u64::try_from(left).ok()),
            reset: header("x-ratelimit-reset"),
        };
        let body = match reply.delivery {
            Delivery::Complete | Delivery::Delayed(_) => match &self.rewrite_answer {
                Some(rewrite) => rewrite(&request.method, reply.body).into_bytes(),
                None => reply.body.to_string().into_bytes(),
            },
            Delivery::NotJson => b"<html>".to_vec(),
            Delivery::Deferred(_) | Delivery::Reset | Delivery::Truncated => {
                return Err(TransportError::NoResponse {
                    message: "connection reset".to_owned(),
                });
            }
        };
        Ok(Response {
            status: reply.status,
            headers,
            date: None,
            location: None,
            body,
        })
    }
}

/// Objects in memory. The state is one object with its journal, so each of its writes counts once.
#[derive(Clone, Debug, Default)]
struct ObjectsInMemory {
    objects: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    /// How often the state can still be written; `None` for no limit.
    writes_left: Arc<Mutex<Option<usize>>>,
}

impl ObjectsInMemory {
    fn write(
        &self,
        name: &str,
        bytes: Vec<u8>,
        expected: Option<&Precondition>,
    ) -> StorageResult<ConditionalWrite> {
        let mut objects = self.objects.lock().unwrap();
        let stored = objects.get(name).cloned().map(Object::of_bytes);
        if expected.is_some_and(|expected| !expected.is_met_by(stored.as_ref())) {
            return Ok(ConditionalWrite::Conflict(stored));
        }
        let is_state = name.starts_with("state") || expected.is_some() && name.starts_with("journal");
        let mut left = self.writes_left.lock().unwrap();
        if is_state && *left == Some(0) {
            return Err(StorageError::File {
                operation: "write",
                path: name.into(),
                source: std::io::ErrorKind::ReadOnlyFilesystem.into(),
            });
        }
        *left = left.map(|left| left - usize::from(is_state));
        let version = Version::of_bytes(&bytes);
        objects.insert(name.to_owned(), bytes);
        Ok(ConditionalWrite::Done(version))
    }
}

impl Storage for ObjectsInMemory {
    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, StorageResult<Option<Object>>> {
        let bytes = self.objects.lock().unwrap().get(name).cloned();
        ready(Ok(bytes.map(Object::of_bytes))).boxed()
    }

    fn put<'a>(&'a self, name: &'a str, bytes: Vec<u8>) -> BoxFuture<'a, StorageResult> {
        ready(self.write(name, bytes, None).map(drop)).boxed()
    }

    fn put_if<'a>(
        &'a self,
        name: &'a str,
        bytes: Vec<u8>,
        expected: &'a Precondition,
    ) -> BoxFuture<'a, StorageResult<ConditionalWrite>> {
        ready(self.write(name, bytes, Some(expected))).boxed()
    }

    fn list<'a>(&'a self, folder: &'a str) -> BoxFuture<'a, StorageResult<Vec<String>>> {
        let objects = self.objects.lock().unwrap();
        let names = objects.keys().filter(|name| name.starts_with(folder)).cloned();
        ready(Ok(names.collect())).boxed()
    }

    fn delete(&self, names: Vec<String>) -> BoxFuture<'_, StorageResult> {
        let mut objects = self.objects.lock().unwrap();
        objects.retain(|name, _| !names.contains(name));
        ready(Ok(())).boxed()
    }

    fn location(&self, name: &str) -> String {
        name.to_owned()
    }
}
