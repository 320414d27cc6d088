//! A workspace in this process: the real client, planner and applier over the real service, without sockets and
//! with a clock that waits for nobody.

use jiff::{SignedDuration, Timestamp};
use segctl::api::{
    CallError, Client, Clock, Method, RateHeaders, RateLimits, Request, Response, Transport, TransportError,
};
use segctl::apply::receipt::Receipt;
use segctl::apply::{Applier, Ended};
use segctl::ledger::{Change, Entry, Ledger, LedgerStore, Lock, Record, Snapshot, StoreError};
use segctl::model::{CallRecord, Callback, DeclaredSegment, ListDigest, Observed, Policy, UploadId};
use segctl::observe::{Refresh, Scope, complete, observe};
use segctl::plan::guard::Allowances;
use segctl::plan::members::Lists;
use segctl::plan::selection::Selection;
use segctl::plan::step::Plan;
use segctl::plan::{Situation, plan};
use segctl::sandbox::{Call, Credentials, Delivery, LogEntry, Service, Settings};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What happens while segctl waits.
#[derive(Clone)]
pub(crate) enum Meanwhile {
    /// Somebody does something by hand.
    Edit(Value),
    /// The ledger's lock is lost.
    LockLost,
}

/// Everything of one workspace.
#[derive(Clone)]
pub(crate) struct Workspace {
    service: Arc<Mutex<Service>>,
    now: Arc<Mutex<Timestamp>>,
    ledger: Arc<Mutex<Ledger>>,
    /// The lists of members that are kept beside it.
    lists: Arc<Mutex<BTreeMap<ListDigest, Vec<u8>>>>,
    /// What the service said of uploads.
    callbacks: Arc<Mutex<BTreeMap<UploadId, Callback>>>,
    /// How often the ledger can still be written, where that has an end.
    writes_left: Arc<Mutex<Option<usize>>>,
    /// What somebody does after so many more PATCH calls.
    interlude: Arc<Mutex<Option<(usize, Value)>>>,
    /// What happens when segctl waits for the first time.
    meanwhile: Arc<Mutex<Option<Meanwhile>>>,
    policy: Policy,
}

impl Workspace {
    pub(crate) fn new(settings: Settings) -> Self {
        let credentials = Credentials {
            workspace_id: "w".to_owned(),
            api_key: "k".to_owned(),
            db_name: "d".to_owned(),
        };
        let mut policy = Policy::default();
        policy.behaviour.list_shows_archived = settings.list_includes_archived;
        policy.behaviour.rename_frees_names = settings.rename_frees_old_name;
        policy.behaviour.archived_definitions_conflict = settings.archived_definitions_conflict;
        policy.behaviour.active_limit = settings.active_limit;
        Self {
            service: Arc::new(Mutex::new(Service::new(settings, credentials))),
            now: Arc::new(Mutex::new(Timestamp::from_second(1_800_000_000).unwrap())),
            ledger: Arc::default(),
            lists: Arc::default(),
            callbacks: Arc::default(),
            writes_left: Arc::default(),
            interlude: Arc::default(),
            meanwhile: Arc::default(),
            policy,
        }
    }

    /// Does what a dashboard user does.
    pub(crate) fn by_hand(&self, edit: &Value) -> Value {
        self.call("POST", "/_sandbox/segments", edit.to_string().into_bytes())
            .1
    }

    /// Makes a call of the API that segctl does not make.
    pub(crate) fn by_hand_at(&self, method: &str, path: &str, body: &Value) {
        let (status, answer) = self.call(method, path, body.to_string().into_bytes());
        assert!((200..300).contains(&status), "{answer}");
    }

    /// Does what a dashboard user does, once so many PATCH calls were made.
    pub(crate) fn by_hand_after(&self, patches: usize, edit: &Value) {
        *self.interlude.lock().unwrap() = Some((patches, edit.clone()));
    }

    /// Has something happen when segctl waits for the first time.
    pub(crate) fn while_waiting(&self, meanwhile: Meanwhile) {
        *self.meanwhile.lock().unwrap() = Some(meanwhile);
    }

    fn interlude(&self) {
        let mut interlude = self.interlude.lock().unwrap();
        if let Some((patches, edit)) = interlude.as_mut() {
            *patches -= 1;
            if *patches == 0 {
                self.by_hand(&edit.clone());
                *interlude = None;
            }
        }
    }

    /// Has the service read the lists that it was told of, from files of this machine.
    pub(crate) fn read_lists(&self) {
        let mut service = self.service.lock().unwrap();
        while let Some(job) = service.next_job() {
            let path = job.file_url.strip_prefix("file://").unwrap().replace("%20", " ");
            let file = std::fs::read(path).map_err(|error| error.to_string());
            service.finish_job(self.now(), &job, file);
        }
    }

    /// Lets time go by.
    pub(crate) fn advance(&self, by: SignedDuration) {
        let mut now = self.now.lock().unwrap();
        *now = now.checked_add(by).unwrap();
    }

    /// Everything that the service keeps.
    pub(crate) fn state(&self) -> Value {
        self.call("GET", "/_sandbox/state", Vec::new()).1
    }

    /// Makes calls go wrong from now on.
    pub(crate) fn set_faults(&self, script: &Value) {
        self.service
            .lock()
            .unwrap()
            .set_faults(serde_json::from_value(script.clone()).unwrap());
    }

    /// What the workspace allows.
    pub(crate) fn allow(&mut self, change: impl FnOnce(&mut Policy)) {
        change(&mut self.policy);
    }

    /// Has the ledger know a segment.
    pub(crate) fn remember(&self, entry: Entry) {
        self.ledger.lock().unwrap().record(entry);
    }

    /// Loses the ledger.
    pub(crate) fn forget(&self) {
        *self.ledger.lock().unwrap() = Ledger::default();
    }

    /// The calls so far.
    pub(crate) fn log(&self) -> Vec<LogEntry> {
        self.service.lock().unwrap().log().to_vec()
    }

    /// What the ledger knows.
    pub(crate) fn ledger(&self) -> Ledger {
        self.ledger.lock().unwrap().clone()
    }

    pub(crate) async fn plan(&self, declared: &[DeclaredSegment]) -> Plan {
        self.plan_of(declared, &self.observe(declared).await)
    }

    /// What is live, read whole.
    pub(crate) async fn observe(&self, declared: &[DeclaredSegment]) -> Observed {
        self.try_observe(declared).await.unwrap()
    }

    /// What is live, read whole, where no call fails for good.
    pub(crate) async fn try_observe(&self, declared: &[DeclaredSegment]) -> Result<Observed, CallError> {
        let client = self.client();
        let ledger = self.ledger.lock().unwrap().clone();
        let scope = Scope {
            declared,
            ledger: &ledger,
            policy: &self.policy,
            snapshot: &Snapshot::default(),
            refresh: Refresh::Full,
            now: self.now(),
        };
        let mut observed = observe(&client, &scope).await?;
        complete(&client, &scope, &mut observed, |_| true).await?;
        Ok(observed)
    }

    pub(crate) fn plan_of(&self, declared: &[DeclaredSegment], observed: &Observed) -> Plan {
        self.plan_part(declared, observed, &Selection::default())
    }

    /// What of the plan is selected.
    pub(crate) fn plan_part(
        &self,
        declared: &[DeclaredSegment],
        observed: &Observed,
        selection: &Selection,
    ) -> Plan {
        let ledger = self.ledger();
        plan(&Situation {
            workspace: "w",
            declared,
            observed,
            ledger: &ledger,
            lists: &Lists::default(),
            policy: &self.policy,
            allowances: Allowances {
                empty: true,
                short_list: true,
                resend: false,
                assume_in_sync: false,
            },
            selection,
            now: self.now(),
        })
    }

    /// From now on the ledger cannot be written.
    pub(crate) fn lock_ledger(&self) {
        self.lock_ledger_after(0);
    }

    /// The ledger can be written so many times more.
    pub(crate) fn lock_ledger_after(&self, writes: usize) {
        *self.writes_left.lock().unwrap() = Some(writes);
    }

    /// The ledger can be written again.
    pub(crate) fn unlock_ledger(&self) {
        *self.writes_left.lock().unwrap() = None;
    }

    /// Loses the lists that are kept beside the ledger.
    pub(crate) fn lose_lists(&self) {
        self.lists.lock().unwrap().clear();
    }

    /// How many lists are kept beside the ledger.
    pub(crate) fn kept_lists(&self) -> usize {
        self.lists.lock().unwrap().len()
    }

    pub(crate) async fn apply(&self, plan: &Plan) -> Receipt {
        let ended = self.apply_until(plan).await;
        assert!(ended.stop.is_none(), "{:?}", ended.stop);
        ended.receipt
    }

    /// Applies, with what ended the run early.
    pub(crate) async fn apply_until(&self, plan: &Plan) -> Ended {
        let client = self.client();
        let ledger = self.ledger.lock().unwrap().clone();
        let settings = segctl::apply::Settings {
            behaviour: self.policy.behaviour,
            adoption: self.policy.adoption,
            parallelism: 8,
            ..segctl::apply::Settings::default()
        };
        let applier = Applier::new(&client, self, (self, ledger), settings);
        applier.apply(plan, &|_| {}).await
    }

    fn client(&self) -> Client<Self, Self> {
        Client::new(self.clone(), self.clone(), RateLimits::default(), 1)
    }

    fn call(&self, method: &str, path: &str, body: Vec<u8>) -> (u16, Value) {
        let call = Call {
            method: method.to_owned(),
            path: path.to_owned(),
            // "w:k" in base64.
            headers: [
                ("authorization", "Basic dzpr"),
                ("moe-appkey", "w"),
                ("moe-dbname", "d"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
            body,
            ..Call::default()
        };
        let reply = self.service.lock().unwrap().handle(self.now(), &call);
        (reply.status, reply.body)
    }
}

impl Clock for Workspace {
    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }

    async fn sleep_until(&self, moment: Timestamp) {
        let later = moment.max(self.now());
        *self.now.lock().unwrap() = later;
        let meanwhile = self.meanwhile.lock().unwrap().take();
        match meanwhile {
            Some(Meanwhile::Edit(edit)) => drop(self.by_hand(&edit)),
            Some(Meanwhile::LockLost) => self.lock_ledger(),
            None => {}
        }
    }
}

impl Transport for Workspace {
    async fn send(&self, request: Request, _: Duration) -> Result<Response, TransportError> {
        let method = match request.method {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
        };
        let call = Call {
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
        let reply = self.service.lock().unwrap().handle(self.now(), &call);
        if call.method == "PATCH" {
            self.interlude();
        }
        let header = |name: &str| {
            reply
                .headers
                .get(name)
                .and_then(|value| value.parse::<i64>().ok())
        };
        let headers = RateHeaders {
            limit: header("x-ratelimit-limit").and_then(|limit| u64::try_from(limit).ok()),
            remaining: header("x-ratelimit-remaining").and_then(|left| u64::try_from(left).ok()),
            reset: header("x-ratelimit-reset"),
        };
        let body = match reply.delivery {
            Delivery::Whole | Delivery::Slow(_) => reply.body.to_string().into_bytes(),
            Delivery::Garbage => b"<html>".to_vec(),
            Delivery::Postponed(_) | Delivery::Reset | Delivery::Truncated => {
                return Err(TransportError::Lost {
                    message: "the connection was cut".to_owned(),
                });
            }
        };
        Ok(Response {
            status: reply.status,
            headers,
            date: None,
            body,
        })
    }
}

impl LedgerStore for Workspace {
    async fn load(&self) -> Result<Ledger, StoreError> {
        Ok(self.ledger.lock().unwrap().clone())
    }

    async fn save(&self, ledger: &Ledger) -> Result<(), StoreError> {
        let mut left = self.writes_left.lock().unwrap();
        let is_full = *left == Some(0);
        *left = left.map(|left| left.saturating_sub(1));
        if is_full {
            return Err(StoreError::Io {
                operation: "write",
                path: "ledger.json".into(),
                source: std::io::ErrorKind::ReadOnlyFilesystem.into(),
            });
        }
        *self.ledger.lock().unwrap() = ledger.clone();
        Ok(())
    }

    async fn add(&self, ledger: &Ledger, _: &[Record]) -> Result<(), StoreError> {
        self.save(ledger).await
    }

    async fn change_lock(
        &self,
        change: impl Fn(Option<&Lock>) -> Change + Send,
    ) -> Result<Option<Lock>, StoreError> {
        // Whoever asks is alone here.
        assert_ne!(change(None), Change::Remove);
        Ok(None)
    }

    async fn save_list(&self, digest: &ListDigest, bytes: &[u8]) -> Result<(), StoreError> {
        self.lists.lock().unwrap().insert(digest.clone(), bytes.to_vec());
        Ok(())
    }

    async fn load_list(&self, digest: &ListDigest) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.lists.lock().unwrap().get(digest).cloned())
    }

    async fn drop_lists(&self, keep: &BTreeSet<&ListDigest>) -> Result<(), StoreError> {
        self.lists
            .lock()
            .unwrap()
            .retain(|digest, _| keep.contains(digest));
        Ok(())
    }

    async fn save_callback(&self, upload: &UploadId, callback: &Callback) -> Result<(), StoreError> {
        let mut callbacks = self.callbacks.lock().unwrap();
        callbacks
            .entry(upload.clone())
            .or_insert_with(|| callback.clone());
        Ok(())
    }

    async fn load_callback(&self, upload: &UploadId) -> Result<Option<Callback>, StoreError> {
        Ok(self.callbacks.lock().unwrap().get(upload).cloned())
    }

    async fn drop_callbacks(&self, keep: &BTreeSet<&UploadId>) -> Result<(), StoreError> {
        let mut callbacks = self.callbacks.lock().unwrap();
        callbacks.retain(|upload, _| keep.contains(upload));
        Ok(())
    }

    async fn load_snapshot(&self) -> Result<Snapshot, StoreError> {
        Ok(Snapshot::default())
    }

    async fn save_snapshot(&self, _: &Snapshot) -> Result<(), StoreError> {
        Ok(())
    }

    async fn requests(&self) -> Result<Vec<CallRecord>, StoreError> {
        Ok(Vec::new())
    }

    async fn exchange_requests(
        &self,
        _: &mut u64,
        mut respond: impl FnMut(Vec<CallRecord>) -> Vec<CallRecord> + Send,
    ) -> Result<(), StoreError> {
        // One run, whose client remembers its calls by itself.
        respond(Vec::new());
        Ok(())
    }

    async fn forget_requests(&self, _: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }
}
