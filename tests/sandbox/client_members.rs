//! The client's upload and cohort requests against the sandbox.

use super::{Sandbox, options};
use segctl::api::{
    ApiError, Client, Credentials, Endpoint, HttpTransport, MemberBatcher, Operation, Permit, RequestError,
    SystemClock, UploadParameters,
};
use segctl::model::{
    CohortKey, Identifier, IdentifierType, MemberChange, SegmentId, SegmentName, UserChange,
};
use segctl::rate_limit::RateLimits;
use serde_json::json;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

type SandboxClient = Client<HttpTransport, SystemClock>;

fn client_for(sandbox: &Sandbox) -> SandboxClient {
    let endpoint = Endpoint::parse(&format!("http://{}", sandbox.server.address())).unwrap();
    let credentials = Credentials {
        workspace_id: "workspace".to_owned(),
        api_key: "key".to_owned().into(),
        db_name: Some("db".to_owned()),
    };
    let transport = HttpTransport::new(endpoint, credentials).unwrap();
    Client::new(transport, SystemClock, RateLimits::default(), 1)
}

async fn acquire_permit(client: &SandboxClient, operation: Operation) -> Permit {
    client.acquire(&operation).await.unwrap()
}

fn upload_name() -> SegmentName {
    SegmentName::new("VIP upload")
}

async fn change_users(
    client: &SandboxClient,
    id: Option<&SegmentId>,
    change: UserChange,
    file: UploadParameters<'_>,
) -> Result<(), RequestError> {
    let permit = acquire_permit(client, Operation::ChangeUsers(upload_name(), change)).await;
    client
        .change_users(permit, &upload_name(), id, change, file)
        .await
        .map(drop)
}

fn upload_parameters<'a>(
    url: &'a str,
    (identifier, notify): (&'a Identifier, &'a [String]),
) -> UploadParameters<'a> {
    UploadParameters {
        url,
        identifier,
        callback_url: None,
        notify,
    }
}

async fn fetch_users(sandbox: &Sandbox) -> BTreeSet<String> {
    sandbox.wait_for_queue().await;
    let contents = sandbox.contents_of("VIP upload").await;
    contents["file"]["users"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect()
}

fn write_list_and_get_url(folder: &Path, list: &str) -> String {
    let path = folder.join("list.csv");
    fs::write(&path, list).unwrap();
    format!("file://{}", path.display())
}

#[tokio::test]
async fn the_client_uploads_adds_removes_and_replaces_users() {
    let sandbox = Sandbox::start(options()).await;
    let client = client_for(&sandbox);
    let folder = tempfile::tempdir().unwrap();
    let identifier = Identifier {
        attribute: "uid".to_owned(),
        kind: IdentifierType::Text,
    };
    let notify = ["growth@example.com".to_owned()];
    let settings = (&identifier, notify.as_slice());
    let first = write_list_and_get_url(folder.path(), "a\nb\n");
    let upload = acquire_permit(&client, Operation::Upload(upload_name())).await;
    let id = client
        .upload(upload, &upload_name(), upload_parameters(&first, settings), 90)
        .await
        .unwrap();
    assert_eq!(fetch_users(&sandbox).await, ["a", "b"].map(str::to_owned).into());
    let changes = [
        (UserChange::Add, "c\n", vec!["a", "b", "c"]),
        (UserChange::Remove, "a\n", vec!["b", "c"]),
        (UserChange::Replace, "d\n", vec!["d"]),
    ];
    for (change, list, expected) in changes {
        let list = write_list_and_get_url(folder.path(), list);
        change_users(&client, Some(&id), change, upload_parameters(&list, settings))
            .await
            .unwrap();
        assert_eq!(
            fetch_users(&sandbox).await,
            expected.into_iter().map(str::to_owned).collect()
        );
    }
    let upload = acquire_permit(&client, Operation::Upload(upload_name())).await;
    let duplicate = client
        .upload(upload, &upload_name(), upload_parameters(&first, settings), 90)
        .await
        .unwrap_err();
    assert!(
        matches!(duplicate.kind, ApiError::NameTaken { .. }),
        "{duplicate}"
    );
    let other = SegmentId::new("5e6c0000000000000000ffff");
    let missing = change_users(
        &client,
        Some(&other),
        UserChange::Add,
        upload_parameters(&first, settings),
    )
    .await
    .unwrap_err();
    assert!(matches!(missing.kind, ApiError::NotFound { .. }), "{missing}");
}

#[tokio::test]
async fn the_client_syncs_members_in_batches_within_the_size_limit() {
    let sandbox = Sandbox::start(options()).await;
    let client = client_for(&sandbox);
    let name = SegmentName::new("Partner loyalty");
    let key = CohortKey {
        partner: "acme".to_owned(),
        cohort_id: "loyalty-1".to_owned(),
    };
    let batches = |members: &[String]| {
        let mut batches = MemberBatcher::new(&name, &key);
        let full = members.iter().filter_map(|member| batches.push(member.clone()));
        let mut parts: Vec<Vec<String>> = full.collect();
        parts.extend(batches.finish());
        parts
    };
    let members: Vec<String> = (0..10_000).map(|number| format!("user-{number:08}")).collect();
    let parts = batches(&members);
    assert_eq!(parts.len(), 2);
    let sync = async |action, part: &[String]| {
        let permit = acquire_permit(&client, Operation::SyncMembers(name.clone(), action)).await;
        client.sync_members(permit, &name, &key, action, part).await
    };
    for part in &parts {
        sync(MemberChange::Add, part).await.unwrap();
    }
    let found = sandbox.contents_of("Partner loyalty").await;
    assert_eq!(
        found["cohort"]["members"].as_array().unwrap().len(),
        members.len()
    );
    sync(MemberChange::Remove, &members[1..]).await.unwrap_err();
    for part in &batches(&members[1..]) {
        sync(MemberChange::Remove, part).await.unwrap();
    }
    let found = sandbox.contents_of("Partner loyalty").await;
    assert_eq!(found["cohort"]["members"], json!(["user-00000000"]));
}
