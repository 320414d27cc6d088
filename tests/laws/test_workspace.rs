//! A workspace in this process: the real client, planner and executor over the sandbox, without sockets.
//! Its clock jumps over waits.

use jiff::{SignedDuration, Timestamp};
use segctl::api::{Client, Clock, Method, Request, RequestError, Response, Transport, TransportError};
use segctl::apply::run_report::RunReport;
use segctl::apply::{Applier, RunResult};
use segctl::model::{
    DeclaredSegment, ListDigest, ObservedWorkspace, Policy, RequestRecord, ShownKinds, UploadId, UploadResult,
};
use segctl::observe::{Refresh, Scope, fetch, list};
use segctl::plan::compared_lists::ComparedLists;
use segctl::plan::guards::Overrides;
use segctl::plan::step::Plan;
use segctl::plan::targeting::Selection;
use segctl::plan::{PlanInput, lower, plan};
use segctl::rate_limit::{RateLimitHeaders, RateLimits};
use segctl::sandbox::{Delivery, HttpRequest, LogEntry, SandboxCredentials, SandboxSettings, Service};
use segctl::state::{Cache, JournalEntry, Lock, LockChange, State, StateEntry, StateStore, StoreError};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

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
    state: Arc<Mutex<State>>,
    lists: Arc<Mutex<BTreeMap<ListDigest, Vec<u8>>>>,
    callbacks: Arc<Mutex<BTreeMap<UploadId, UploadResult>>>,
    /// How often the state can still be written; `None` for no limit.
    writes_left: Arc<Mutex<Option<usize>>>,
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
            state: Arc::default(),
            lists: Arc::default(),
            callbacks: Arc::default(),
            writes_left: Arc::default(),
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
        self.state.lock().unwrap().record(entry);
    }

    pub(crate) fn lose_state(&self) {
        *self.state.lock().unwrap() = State::default();
    }

    pub(crate) fn request_log(&self) -> Vec<LogEntry> {
        self.service.lock().unwrap().log().to_vec()
    }

    pub(crate) fn stored_state(&self) -> State {
        self.state.lock().unwrap().clone()
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
        let state = self.state.lock().unwrap().clone();
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
            definitions: &lower(declared),
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
        *self.writes_left.lock().unwrap() = Some(writes);
    }

    pub(crate) fn allow_state_writes(&self) {
        *self.writes_left.lock().unwrap() = None;
    }

    pub(crate) fn lose_member_lists(&self) {
        self.lists.lock().unwrap().clear();
    }

    pub(crate) fn member_list_count(&self) -> usize {
        self.lists.lock().unwrap().len()
    }

    pub(crate) async fn apply(&self, plan: &Plan) -> RunReport {
        let result = self.apply_with_result(plan).await;
        assert!(result.abort_reason.is_none(), "{:?}", result.abort_reason);
        result.report
    }

    pub(crate) async fn apply_with_result(&self, plan: &Plan) -> RunResult {
        let client = self.client();
        let state = self.state.lock().unwrap().clone();
        let options = segctl::apply::ApplyOptions {
            api_behavior: self.policy.api_behavior,
            adoption: self.policy.adoption,
            parallelism: 8,
            ..segctl::apply::ApplyOptions::default()
        };
        let shown_kinds = self.shown_kinds.lock().unwrap().clone();
        let applier = Applier::new(&client, self, (self, state), options).with_shown_kinds(shown_kinds);
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

impl StateStore for TestWorkspace {
    async fn load(&self) -> Result<State, StoreError> {
        Ok(self.state.lock().unwrap().clone())
    }

    async fn save(&self, state: &State) -> Result<(), StoreError> {
        let mut left = self.writes_left.lock().unwrap();
        let is_full = *left == Some(0);
        *left = left.map(|left| left.saturating_sub(1));
        if is_full {
            return Err(StoreError::Io {
                operation: "write",
                path: "state.json".into(),
                source: std::io::ErrorKind::ReadOnlyFilesystem.into(),
            });
        }
        *self.state.lock().unwrap() = state.clone();
        Ok(())
    }

    async fn append(&self, state: &State, _: &[JournalEntry]) -> Result<(), StoreError> {
        self.save(state).await
    }

    async fn change_lock(
        &self,
        change: impl Fn(Option<&Lock>) -> LockChange + Send,
    ) -> Result<Option<Lock>, StoreError> {
        // Tests have one process, so the lock is always free.
        assert_ne!(change(None), LockChange::Remove);
        Ok(None)
    }

    async fn save_member_list(&self, digest: &ListDigest, bytes: &[u8]) -> Result<(), StoreError> {
        self.lists.lock().unwrap().insert(digest.clone(), bytes.to_vec());
        Ok(())
    }

    async fn load_member_list(&self, digest: &ListDigest) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.lists.lock().unwrap().get(digest).cloned())
    }

    async fn retain_member_lists(&self, keep: &BTreeSet<&ListDigest>) -> Result<(), StoreError> {
        self.lists
            .lock()
            .unwrap()
            .retain(|digest, _| keep.contains(digest));
        Ok(())
    }

    async fn save_callback(&self, upload: &UploadId, callback: &UploadResult) -> Result<(), StoreError> {
        let mut callbacks = self.callbacks.lock().unwrap();
        callbacks
            .entry(upload.clone())
            .or_insert_with(|| callback.clone());
        Ok(())
    }

    async fn load_callback(&self, upload: &UploadId) -> Result<Option<UploadResult>, StoreError> {
        Ok(self.callbacks.lock().unwrap().get(upload).cloned())
    }

    async fn retain_callbacks(&self, keep: &BTreeSet<&UploadId>) -> Result<(), StoreError> {
        let mut callbacks = self.callbacks.lock().unwrap();
        callbacks.retain(|upload, _| keep.contains(upload));
        Ok(())
    }

    async fn load_cache(&self) -> Result<Cache, StoreError> {
        Ok(Cache::default())
    }

    async fn save_cache(&self, _: &Cache) -> Result<(), StoreError> {
        Ok(())
    }

    async fn load_requests(&self) -> Result<Vec<RequestRecord>, StoreError> {
        Ok(Vec::new())
    }

    async fn exchange_requests(
        &self,
        _: &mut u64,
        mut respond: impl FnMut(Vec<RequestRecord>) -> Vec<RequestRecord> + Send,
    ) -> Result<(), StoreError> {
        // The client of the only run remembers its own requests.
        respond(Vec::new());
        Ok(())
    }

    async fn prune_requests(&self, _: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }
}
