//! The client's calls about members are what the service takes, and do what they say.

use super::{Sandbox, options};
use segctl::api::{
    ApiError, Batches, CallError, Client, Credentials, Endpoint, HttpTransport, Operation, RateLimits,
    SystemClock, Turn, UserFile,
};
use segctl::model::{
    CohortKey, Identifier, IdentifierType, MemberChange, SegmentId, SegmentName, UserChange,
};
use serde_json::json;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

type Segctl = Client<HttpTransport, SystemClock>;

fn client(sandbox: &Sandbox) -> Segctl {
    let endpoint = Endpoint::parse(&format!("http://{}", sandbox.server.address())).unwrap();
    let credentials = Credentials {
        workspace_id: "workspace".to_owned(),
        api_key: "key".to_owned().into(),
        db_name: Some("db".to_owned()),
    };
    let transport = HttpTransport::new(endpoint, credentials).unwrap();
    Client::new(transport, SystemClock, RateLimits::default(), 1)
}

async fn turn(client: &Segctl, operation: Operation) -> Turn {
    client.turn(&operation).await.unwrap()
}

fn name() -> SegmentName {
    SegmentName::new("VIP upload")
}

async fn change(
    client: &Segctl,
    id: Option<&SegmentId>,
    change: UserChange,
    file: UserFile<'_>,
) -> Result<(), CallError> {
    let turn = turn(client, Operation::ChangeUsers(name(), change)).await;
    client.change_users(turn, (&name(), id), (change, file)).await
}

fn file<'a>(url: &'a str, (identifier, notify): (&'a Identifier, &'a [String])) -> UserFile<'a> {
    UserFile {
        url,
        identifier,
        callback_url: None,
        notify,
    }
}

async fn users(sandbox: &Sandbox) -> BTreeSet<String> {
    sandbox.settle().await;
    let contents = sandbox.contents("VIP upload").await;
    contents["file"]["users"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect()
}

fn url(folder: &Path, list: &str) -> String {
    let path = folder.join("list.csv");
    fs::write(&path, list).unwrap();
    format!("file://{}", path.display())
}

#[tokio::test]
async fn users_are_uploaded_added_removed_and_replaced() {
    let sandbox = Sandbox::start(options()).await;
    let client = client(&sandbox);
    let folder = tempfile::tempdir().unwrap();
    let identifier = Identifier {
        attribute: "uid".to_owned(),
        kind: IdentifierType::Text,
    };
    let notify = ["growth@example.com".to_owned()];
    let told = (&identifier, notify.as_slice());
    let first = url(folder.path(), "a\nb\n");
    let upload = turn(&client, Operation::Upload(name())).await;
    let id = client
        .upload(upload, &name(), (file(&first, told), 90))
        .await
        .unwrap();
    assert_eq!(users(&sandbox).await, ["a", "b"].map(str::to_owned).into());
    let table = [
        (UserChange::Add, "c\n", vec!["a", "b", "c"]),
        (UserChange::Remove, "a\n", vec!["b", "c"]),
        (UserChange::Replace, "d\n", vec!["d"]),
    ];
    for (which, list, expected) in table {
        let list = url(folder.path(), list);
        change(&client, Some(&id), which, file(&list, told))
            .await
            .unwrap();
        assert_eq!(
            users(&sandbox).await,
            expected.into_iter().map(str::to_owned).collect()
        );
    }
    let upload = turn(&client, Operation::Upload(name())).await;
    let again = client
        .upload(upload, &name(), (file(&first, told), 90))
        .await
        .unwrap_err();
    assert!(matches!(again.kind, ApiError::NameTaken { .. }), "{again}");
    let other = SegmentId::new("5e6c0000000000000000ffff");
    let missing = change(&client, Some(&other), UserChange::Add, file(&first, told))
        .await
        .unwrap_err();
    assert!(matches!(missing.kind, ApiError::NotFound { .. }), "{missing}");
}

#[tokio::test]
async fn members_are_synchronised_in_parts_that_the_service_takes() {
    let sandbox = Sandbox::start(options()).await;
    let client = client(&sandbox);
    let name = SegmentName::new("Partner loyalty");
    let key = CohortKey {
        partner: "acme".to_owned(),
        cohort_id: "loyalty-1".to_owned(),
    };
    let batches = |members: &[String]| {
        let mut batches = Batches::of(&name, &key);
        let full = members.iter().filter_map(|member| batches.push(member.clone()));
        let mut parts: Vec<Vec<String>> = full.collect();
        parts.extend(batches.finish());
        parts
    };
    let members: Vec<String> = (0..10_000).map(|number| format!("user-{number:08}")).collect();
    let parts = batches(&members);
    assert_eq!(parts.len(), 2);
    let sync = async |action, part: &[String]| {
        let turn = turn(&client, Operation::SyncMembers(name.clone(), action)).await;
        client.sync_members(turn, (&name, &key), (action, part)).await
    };
    for part in &parts {
        sync(MemberChange::Add, part).await.unwrap();
    }
    let found = sandbox.contents("Partner loyalty").await;
    assert_eq!(
        found["cohort"]["members"].as_array().unwrap().len(),
        members.len()
    );
    sync(MemberChange::Remove, &members[1..]).await.unwrap_err();
    for part in &batches(&members[1..]) {
        sync(MemberChange::Remove, part).await.unwrap();
    }
    let found = sandbox.contents("Partner loyalty").await;
    assert_eq!(found["cohort"]["members"], json!(["user-00000000"]));
}
